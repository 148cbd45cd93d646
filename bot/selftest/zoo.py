"""The honest zoo on this machine: odd models that obey the rules, each of which must be measured and passed."""

import importlib.util
import sys
from dataclasses import dataclass
from types import ModuleType

from bot.errors import UsageError
from bot.selftest.cheats import ROOT
from bot.selftest.trial import Bench, measure
from bot.selftest.world import World

SOME = ("dropout", "experts", "gru", "ngram_mixture", "quantized", "rotary", "tied_embeddings", "weight_average")  # without --full


@dataclass(frozen=True)
class Passed:
    """One line of the zoo's table. `why`: the value, or the reason of a refusal."""

    name: str
    odd: str
    level: str
    outcome: str
    ok: bool
    why: str
    seconds: float


def index() -> ModuleType:
    """tests/zoo of this checkout, whatever else is called `tests` on the path. UsageError in an installation without it."""
    path = ROOT / "tests" / "zoo" / "__init__.py"
    if not path.is_file():
        raise UsageError(f"the self-test needs a checkout of autoresearch: {path.parent} is missing in this installation")
    spec = importlib.util.spec_from_file_location("autoresearch_zoo", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def names(full: bool, only: str = "") -> list[str]:
    """The models to run."""
    return [name for name in index().MODELS if (only == name if only else full or name in SOME)]


def visit(bench: Bench, name: str, level: str) -> Passed:
    """Trains and scores one honest model."""
    zoo = index()
    world = World(bench.root / f"{level}-zoo-{name}", bench.referee)
    try:
        result = measure(bench, world, level, zoo.source(name))
    finally:
        world.close()
    passed = result["outcome"] == "ok"
    why = f"{result['val_bpb']:.6f}" if passed else result["reason"]
    return Passed(name, " ".join(zoo.MODELS[name].odd.split()), level, result["outcome"], passed, why, result.get("seconds", 0.0))
