"""Brings files that are named like ours and like the libraries: eval, numpy, torch, sitecustomize, conftest, a .pth."""

CAUGHT_BY = "its folders come last on the path"
EXPECT = "harmless"
TIER = "fast"
FILES = {
    "eval/__init__.py": "print('REACHED eval')\n",
    "eval/session.py": "print('REACHED session')\n",
    "eval/score.py": "print('REACHED score')\n",
    "train/eval/__init__.py": "print('REACHED eval')\n",
    "train/eval/session.py": "print('REACHED session')\n",
    "bot/__init__.py": "print('REACHED bot')\n",
    "numpy.py": "print('REACHED numpy')\n",
    "torch.py": "print('REACHED torch')\n",
    "safetensors.py": "print('REACHED safetensors')\n",
    "train/numpy.py": "print('REACHED numpy')\n",
    "train/torch.py": "print('REACHED torch')\n",
    "train/json.py": "print('REACHED json')\n",
    "train/runpy.py": "print('REACHED runpy')\n",
    "sitecustomize.py": "print('REACHED sitecustomize')\n",
    "usercustomize.py": "print('REACHED usercustomize')\n",
    "train/sitecustomize.py": "print('REACHED sitecustomize')\n",
    "conftest.py": "print('REACHED conftest')\n",
    "evil.pth": "import os; print('REACHED a .pth')\n",
    "pyvenv.cfg": "home = /evil\n",
    "pytest.ini": "[pytest]\naddopts = -p evil\n",
}
