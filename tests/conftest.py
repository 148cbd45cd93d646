"""Real git repositories for the tests: a work tree with one commit, isolated from the user's git configuration."""

import os
import subprocess
from pathlib import Path

import pytest

# Files that take minutes (with -m slow) begin first: the others have enough to do meanwhile. PARALLEL in the Makefile keeps the order.
LONG = ("zoo/test_zoo.py", "redteam/test_bubblewrap.py", "publish/test_publish.py", "test_kill_real.py", "llm/test_night.py",
        "bot/test_kill.py", "publish/test_soak.py", "redteam/test_landlock.py", "bot/test_split.py", "bot/test_caches.py",
        "publish/test_commands.py", "publish/test_cut_short.py")  # fmt: skip
TRAIN = "LEARNING_RATE = 0.02  # step size\nDEPTH = 4\n\n\ndef main():\n    return LEARNING_RATE * DEPTH\n"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    order = {Path(__file__).parent / name: at for at, name in enumerate(LONG)}
    items.sort(key=lambda item: order.get(item.path, len(LONG)))


def git(root: Path, *args: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    identity = ["-c", "user.name=Human", "-c", "user.email=human@example.com"]
    done = subprocess.run(["git", *identity, *args], cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit_all(root: Path, message: str = "change") -> str:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", message)
    return git(root, "rev-parse", "HEAD")


def make_repo(root: Path, files: dict[str, str]) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q", "-b", "main")
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    commit_all(root, "start")
    return root


@pytest.fixture
def repo_root(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "repo", {"train/train.py": TRAIN, "README.md": "hello\n"})
