"""The honest zoo: odd models that obey every rule, so the referee must pass them and measure them right.

    from tests.zoo import MODELS, source
    source("gru")        # a complete train.py

One file per model in `models/`: its docstring says what is odd about it. `source` puts `base.py` in front of it. Torch-free.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
BASE = re.compile(r"^from tests\.zoo\.base import .*\n", re.MULTILINE)
COMPILES = "inductor"  # scoring it compiles C++ code, a quarter to half a minute for each of the two workers


@dataclass(frozen=True)
class Model:
    """One inhabitant. `odd`: one sentence on what is unusual about it."""

    name: str
    odd: str
    path: Path


def read(path: Path) -> Model:
    """RuntimeError if it does not say what is odd about it."""
    odd = ast.get_docstring(ast.parse(path.read_text()))
    if not odd:
        raise RuntimeError(f"{path} needs a docstring that says what is odd about the model")
    return Model(path.stem, odd, path)


MODELS: dict[str, Model] = {path.stem: read(path) for path in sorted((FOLDER / "models").glob("*.py"))}


def source(name: str) -> str:
    """The text of a complete train.py."""
    own = MODELS[name].path.read_text()
    return (FOLDER / "base.py").read_text() + "\n\n" + BASE.sub("", own)
