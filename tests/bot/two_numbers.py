"""A command target of two numbers after one night that kept a change of X: what people do to it next is played with real git."""

from pathlib import Path

from tests.conftest import commit_all, git
from tests.targets import CONFIG, autoresearch, make_target, statuses

SCORE = """import os, random
from params import X, Y
noise = random.Random(int(os.environ["AUTORESEARCH_SEED"])).gauss(0, 0.01)
print(f"METRIC cost={(X - 2.0) ** 2 + (Y - 3.0) ** 2 + noise:.6f}")
"""
PARAMS = "X = {x}\n# one\n# two\n# three\n# four\nY = {y}\n"


def change(name, old, new, *others):
    """A patch of one line, with three lines of context."""
    lines = PARAMS.format(x=5.0, y=9.0).splitlines()
    at = 0 if name == "X" else 5
    body = [f"-{name} = {old}", f"+{name} = {new}"]
    before, after = [f" {line}" for line in lines[max(0, at - 3) : at]], [f" {line}" for line in lines[at + 1 : at + 4]]
    start, size = max(0, at - 3) + 1, len(before) + 1 + len(after)
    hunk = [f"@@ -{start},{size} +{start},{size} @@", *before, *body, *after]
    return "\n".join([f"{name} to {new}", "", "diff --git a/params.py b/params.py", "--- a/params.py", "+++ b/params.py", *hunk, ""])


def one_night(folder: Path) -> Path:
    """One keep: X from 5.0 to 4.5."""
    root = make_target(folder / "repo", [change("X", 5.0, 4.5)], CONFIG + "reserve: 1%\nlocked: [score.py]\n")
    (root / "params.py").write_text(PARAMS.format(x=5.0, y=9.0))
    (root / "score.py").write_text(SCORE)
    commit_all(root, "two numbers")
    autoresearch(root, "run", AUTORESEARCH_SANDBOX="none")
    assert statuses(root) == {0: "baseline", 1: "keep"}
    return root


def propose(root, text):
    place = root / "patches"
    (place / f"{len(list(place.iterdir())):03d}.patch").write_text(text)


def lines(root, revision):
    return git(root, "show", f"{revision}:params.py").splitlines()
