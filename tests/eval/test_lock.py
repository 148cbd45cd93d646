"""Digests that name the referee and the candidate, and the copy that holds the referee alone."""

import os
import subprocess
import sys

import pytest

from eval import lock
from eval.errors import RefereeError


@pytest.fixture
def tree(tmp_path):
    folder = tmp_path / "tree"
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "train.py").write_text("A = 1\n")
    return folder


def test_stage_holds_the_referee_alone(tmp_path):
    home = lock.stage(tmp_path)
    assert [path.name for path in home.iterdir()] == ["eval"] and home.name == lock.code_digest()
    code = "import eval.measure; print(eval.measure.__file__)"
    done = subprocess.run([sys.executable, "-P", "-c", code], env={"PYTHONPATH": str(home)}, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(str(home))


@pytest.mark.parametrize("name", sorted(path.stem for path in lock.PACKAGE.glob("*.py") if "__main__" in path.read_text()))
def test_a_staged_module_finds_all_it_needs_in_the_stage(tmp_path, name):
    """Those that are started as a process: they see the stage, not this checkout."""
    home = lock.stage(tmp_path)
    code = f"import runpy, sys; runpy.run_path({str(home / 'eval' / name)!r} + '.py', run_name='staged')\n"
    code += "print({m.__file__ for n, m in list(sys.modules.items()) if n.split('.')[0] == 'eval'} or {'eval'})"
    done = subprocess.run([sys.executable, "-P", "-c", code], env={"PYTHONPATH": str(home)}, capture_output=True, text=True, cwd="/")
    assert done.returncode == 0, done.stderr
    assert str(lock.PACKAGE) not in done.stdout


def test_the_script_that_confines_runs_from_the_stage_alone(tmp_path):
    script = lock.stage(tmp_path) / "eval" / "confine.py"
    argv = [sys.executable, "-I", "-S", str(script), "none", "{}", "--", "/bin/echo", "reached"]
    done = subprocess.run(argv, env={}, capture_output=True, text=True, cwd="/")
    assert done.stdout == "reached\n", done.stderr


def test_constants_of_any_order_give_one_version():
    assert lock.metric_version("c", {"a": 1, "b": [2, 3]}) == lock.metric_version("c", {"b": [2, 3], "a": 1})


def test_stage_is_idempotent(tmp_path):
    first = lock.stage(tmp_path)
    mark = (first / "eval" / "lock.py").stat().st_mtime_ns
    assert lock.stage(tmp_path) == first and (first / "eval" / "lock.py").stat().st_mtime_ns == mark
    assert [path.name for path in tmp_path.iterdir()] == [first.name]


def test_edited_stage_is_replaced(tmp_path):
    home = lock.stage(tmp_path)
    (home / "eval" / "score.py").write_text("cheat = True\n")
    assert lock.code_digest(lock.stage(tmp_path) / "eval") == lock.code_digest()


def test_metric_version_depends_on_corpus_and_constants():
    base = lock.metric_version("corpus", {"eval_tokens": 1})
    assert base == lock.metric_version("corpus", {"eval_tokens": 1})
    assert len({base, lock.metric_version("other", {"eval_tokens": 1}), lock.metric_version("corpus", {"eval_tokens": 2})}) == 3


def test_code_digest_depends_on_every_file(tmp_path):
    package = lock.stage(tmp_path) / "eval"
    for path in package.glob("*.py"):
        before, text = lock.code_digest(package), path.read_bytes()
        path.write_bytes(text + b"#")
        assert lock.code_digest(package) != before, path.name


@pytest.mark.parametrize("change", ["content", "name", "new", "link", "mode of being"])
def test_tree_digest_sees_a_change(tree, change):
    before, file = lock.tree_digest(tree), tree / "train" / "train.py"
    if change == "content":
        file.write_text("A = 2\n")
    elif change == "name":
        file.rename(file.with_name("other.py"))
    elif change == "new":
        (tree / "new.py").write_text("")
    elif change == "link":
        (tree / "folder").symlink_to("/")
    else:
        file.rename(tree / "moved")
        file.symlink_to(tree / "moved")
    assert lock.tree_digest(tree) != before


def test_tree_digest_ignores_git(tree):
    before = lock.tree_digest(tree)
    (tree / ".git").mkdir()
    (tree / ".git" / "index").write_text("x")
    assert lock.tree_digest(tree) == before


def test_tree_digest_takes_any_name(tree):
    before = lock.tree_digest(tree)
    (tree / os.fsdecode(b"\xff.py")).write_text("")
    assert lock.tree_digest(tree) != before


def test_tree_digest_does_not_read_a_sparse_terabyte(tree):
    with open(tree / "giant", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(RefereeError, match="over 1024 MB"):
        lock.tree_digest(tree)
