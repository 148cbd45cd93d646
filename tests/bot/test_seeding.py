"""Seeds belong to the harness: every way to set one that a syntax tree shows is refused, and nothing else is."""

import random
import re
from pathlib import Path

import pytest

from bot.edit import EditRejected, apply
from bot.proposers import Answer, source
from bot.seeding import refusal

CHAMPION = (Path(__file__).parents[2] / "train" / "train.py").read_text()
IMPORTS = "import os\nimport random\nimport importlib\nimport numpy as np\nimport torch\nfrom eval import session\n"


def told(new: str, old: str = "") -> str | None:
    return refusal({"train.py": IMPORTS + old}, {"train.py": IMPORTS + new})


@pytest.mark.parametrize(
    "code",
    [
        "torch.manual_seed(1337)",
        "torch.manual_seed(seed=1337)",
        "torch.manual_seed(session.seed + 1)",
        "torch.manual_seed(session.seed ^ 3)",
        "torch.manual_seed(session.seed % 7)",
        "torch.manual_seed(hash('lucky'))",
        "torch.manual_seed(int(os.environ.get('MY_SEED', 3)))",
        "torch.random.manual_seed(3)",
        "torch.cuda.manual_seed_all(3)",
        "torch.mps.manual_seed(3)",
        "torch.seed()",
        "torch.default_generator.manual_seed(3)",
        "torch.Generator()",  # its default seed is a constant
        "torch.Generator('cpu').manual_seed(3)",
        "g = torch.Generator()\ng.manual_seed(3)",
        "torch.set_rng_state(state)",
        "torch.cuda.set_rng_state_all(states)",
        "with torch.random.fork_rng():\n    pass",
        "if torch.initial_seed() == 3:\n    pass",
        "f = torch.manual_seed\nf(3)",
        "list(map(torch.manual_seed, [3]))",
        "from torch import manual_seed\nmanual_seed(3)",
        "from torch import manual_seed as warm\nwarm(3)",
        "from torch import *\nmanual_seed(3)",
        "from random import *\nseed(3)",
        "import torch.random as tr\ntr.manual_seed(3)",
        "def inner():\n    from torch import manual_seed\n    manual_seed(3)",
        "torch.manual_seed = print",
        "random.seed = print",
        "np.random.seed = print",
        "torch.Generator = object",
        "random.seed(3)",
        "random.seed()",
        "rd = random\nrd.seed(3)",
        "rd = random\nrd.Random(3)",
        "s = random.seed\ns(3)",
        "random.Random(3)",
        "random.Random()",
        "random.setstate(state)",
        "random.SystemRandom()",
        "from random import Random as R\nR(3)",
        "np.random.seed(3)",
        "from numpy import random as npr\nnpr.seed(3)",
        "np.random.default_rng(3)",
        "np.random.default_rng()",
        "np.random.default_rng([session.seed, 3])",
        "np.random.default_rng(seed=3)",
        "np.random.RandomState(3)",
        "np.random.SeedSequence(3)",
        "np.random.Generator(np.random.PCG64(3))",
        "np.random.Generator(np.random.Philox(key=3))",
        "np.random.set_state(state)",
        "g = np.random.default_rng(session.seed)\ng.bit_generator.state = {}",
        "os.urandom(8)",
        "import secrets\nsecrets.randbits(8)",
        "from secrets import randbits\nrandbits(8)",
        "open('/dev/urandom', 'rb').read(8)",
        "import uuid\nuuid.uuid4()",
        "os.environ['PYTHONHASHSEED'] = '3'",
        "session.seed = 3",
        "session.seed += 1",
        "session.reseed = print",
        "session._seeded = True",
        "session.attach({'seed': 3})",
        "setattr(session, 'seed', 3)",
        "vars(session)['seed'] = 3",
        "session.__dict__['seed'] = 3",
        "import eval.session as s\ns.seed = 3",
        "session = None",
        "def run(session):\n    torch.manual_seed(session.seed)",
        "getattr(torch, 'manual_seed')(3)",
        "getattr(torch, 'manual' + '_seed')(3)",
        "getattr(torch, f'manual_{word}')(3)",
        "getattr(random, 'seed')(3)",
        "getattr(np.random, 'default_rng')(3)",
        "vars(torch)['manual_seed'](3)",
        "torch.__dict__['manual_seed'](3)",
        "import operator\noperator.attrgetter('random.manual_seed')(torch)(3)",
        "__import__('torch').manual_seed(3)",
        "importlib.import_module('random').seed(3)",
        "importlib.import_module('ran' + 'dom').betavariate(1, 1)",
        "exec(text)",
        "eval(text)",
        "compile(text, 'a', 'exec')",
        "e = exec\ne(text)",
        "from pytorch_lightning import seed_everything\nseed_everything(3)",
        "import transformers\ntransformers.set_seed(3)",
    ],
)
def test_new_seeding_is_refused(code):
    assert "seeds belong to the harness" in (told(code) or "")


@pytest.mark.parametrize(
    "code",
    [
        "torch.manual_seed(session.seed)",
        "import eval.session as s\ntorch.manual_seed(s.seed)",
        "from eval.session import seed\ntorch.manual_seed(seed)",
        "seed = session.seed\ntorch.manual_seed(seed)",
        "np.random.seed(session.seed % 2**32)",
        "torch.manual_seed(int(os.environ['AUTORESEARCH_SEED']))",
        "g = torch.Generator(session.device).manual_seed(session.seed)\ntorch.rand(3, generator=g)",
        "random.Random(session.seed).random()",
        "np.random.default_rng(session.seed).normal()",
        "np.random.Generator(np.random.PCG64(session.seed))",
        "def f(g: torch.Generator) -> torch.Generator:\n    return g",
        "from collections.abc import Generator\ndef f() -> Generator[int, None, None]:\n    yield 1",
        "class Generator(torch.nn.Module):\n    pass\nGenerator()",
        "x = torch.randn(3); random.random(); np.random.rand()",
        "model = torch.compile(model); model.eval()",
        "from torch import compile\ncompile(model)",
        "act = getattr(torch.nn.functional, NAME)",
        "layers = [getattr(self, f'layer_{i}') for i in range(4)]",
        "torch.use_deterministic_algorithms(True)",
        "session.report(loss=loss); session.progress; session.warmup(4)",
        "config = {'seed': 3, 'depth': 4}",
        '"""Sets no seed: never call torch.manual_seed."""',
        "random.shuffle(rows); random.choice(rows)",
        "table.bucket_seed = 1",
    ],
)
def test_what_seeds_nothing_or_with_the_harness_is_allowed(code):
    assert told(code) is None


SEEDED = "SEED = 42\ndef setup(s, depth=3):\n    torch.manual_seed(s)\nsetup(SEED, depth=4)\n"


@pytest.mark.parametrize(
    "change",
    [
        ("SEED = 42", "SEED = 43"),
        ("setup(SEED,", "setup(43,"),
        ("setup(SEED,", "setup(SEED + 1,"),
        ("(s)", "(s + 1)"),
        ("SEED = 42", "SEED = BASE = 42"),
    ],
)
def test_what_feeds_a_champions_own_seeding_may_not_change(change):
    assert "seeds belong" in (told(SEEDED.replace(*change), SEEDED) or "")


@pytest.mark.parametrize(
    "change",
    [
        ("depth=4", "depth=5"),
        ("SEED = 42", "SEED = session.seed"),
        ("    torch.manual_seed(s)", "    pass"),
        ("def setup", "\n\nX = 1\ndef setup"),
    ],
)
def test_a_champions_own_seeding_does_not_stand_in_the_way(change):
    assert told(SEEDED.replace(*change), SEEDED) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("class C:\n    seed: int = 1\ntorch.manual_seed(C.seed)", "class C:\n    seed: int = 2\ntorch.manual_seed(C.seed)"),
        ("c = dict(seed=1)\ntorch.manual_seed(c['seed'])", "c = dict(seed=2)\ntorch.manual_seed(c['seed'])"),
        ("c = {'seed': 1}\ntorch.manual_seed(c['seed'])", "c = {'seed': 2}\ntorch.manual_seed(c['seed'])"),
        ("p.add_argument('--seed', default=1)\ntorch.manual_seed(p.seed)", "p.add_argument('--seed')\ntorch.manual_seed(p.seed)"),
        ("def f(*, s=1):\n    torch.manual_seed(s)", "def f(*, s=2):\n    torch.manual_seed(s)"),
        ("A = 1\nB = A\ntorch.manual_seed(B)", "A = 2\nB = A\ntorch.manual_seed(B)"),
    ],
)
def test_a_seed_is_followed_to_where_it_is_written(old, new):
    assert "seeds belong" in (told(new, old) or "")


def test_a_second_copy_of_the_champions_seeding_is_refused():
    assert told("torch.manual_seed(3)\ntorch.manual_seed(3)", "torch.manual_seed(3)")


def test_a_seed_in_another_file_is_followed():
    old = {"train.py": "import torch\nfrom config import SEED\ntorch.manual_seed(SEED)", "config.py": "SEED = 1\n"}
    assert refusal(old, old | {"config.py": "SEED = 2\n"}).startswith("config.py, line 1: `SEED = 2`")


def test_the_message_names_the_line_and_the_way_out():
    assert told("x = 1\ntorch.manual_seed(3)") == (
        "train.py, line 8: `torch.manual_seed(3)` decides which random numbers come; "
        "seeds belong to the harness; session.seed is the only seed a train.py may use"
    )


def test_an_edit_with_a_seed_does_not_become_a_commit():
    edited = CHAMPION.replace("DEPTH = preset", "torch.manual_seed(3)\nDEPTH = preset")
    with pytest.raises(EditRejected, match="seeds belong to the harness"):
        apply({"train/train.py": CHAMPION}, Answer("h", "test", edits={"train/train.py": edited}), lambda patch: {})


def test_the_champion_of_this_repository_seeds_nothing():
    assert refusal({}, {"train.py": CHAMPION}) is None


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_no_change_of_a_constant_is_refused(device):
    constants = source.find(CHAMPION, device)
    assert len(constants) > 20
    for constant in constants:
        edited = source.replace(CHAMPION, {constant: repr(constant.value + 1)})
        assert refusal({"train.py": CHAMPION}, {"train.py": edited}) is None, constant.name


def test_no_renamed_function_is_refused():
    names = re.findall(r"^ *def (\w+)", CHAMPION, re.M)
    assert len(names) > 20
    for name in set(names):
        edited = re.sub(rf"\b{name}\b", f"{name}_{random.Random(name).randrange(100)}", CHAMPION)
        assert refusal({"train.py": CHAMPION}, {"train.py": edited}) is None, name
