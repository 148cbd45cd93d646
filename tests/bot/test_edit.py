"""What may become a commit: each refusal with its reason, and patches through real git."""

import subprocess

import pytest

from bot.edit import LARGEST_FILE, EditRejected, apply
from bot.gitrepo import GitRepo
from bot.proposers import Answer
from tests.conftest import TRAIN, commit_all, git

FILES = {"train.py": "A = 1\n", "notes.txt": "x\n"}


def never(patch: str) -> dict[str, str]:
    raise AssertionError("no patch here")


def edits(**texts: str) -> Answer:
    return Answer("h", "test", edits={path.replace("_", "."): text for path, text in texts.items()})


def rejected(answer: Answer) -> str:
    with pytest.raises(EditRejected) as error:
        apply(FILES, answer, never)
    return str(error.value)


def test_only_what_differs_comes_back():
    assert apply(FILES, edits(train_py="A = 2\n", notes_txt="x\n"), never) == {"train.py": "A = 2\n"}


def test_other_paths_are_refused():
    assert rejected(edits(eval_py="A = 2\n")) == "eval.py is not editable; editable: notes.txt, train.py"


def test_an_empty_change_is_refused():
    assert "empty" in rejected(edits(train_py="A = 1\n"))


def test_python_must_parse_and_the_line_is_named():
    assert rejected(edits(train_py="A = 1\nB = (\n")) == "train.py, line 2: '(' was never closed"


def test_text_that_is_not_python_need_not_parse():
    assert apply(FILES, edits(notes_txt="B = (\n"), never) == {"notes.txt": "B = (\n"}


LOADS = "def load_model(directory, device):\n    return None\n"
TOKENIZES = "def load_tokenizer(directory):\n    return None\n"


def test_a_tokenizer_of_the_candidates_own_is_refused_not_ignored():
    assert "load_tokenizer, which is reserved" in rejected(edits(train_py=LOADS + TOKENIZES))


def test_a_tokenizer_of_a_target_without_load_model_is_its_own_business():
    assert apply(FILES, edits(train_py=TOKENIZES), never) == {"train.py": TOKENIZES}


def test_what_nests_too_deeply_to_be_searched_for_seeds_is_refused():
    assert "nested too deeply" in rejected(edits(train_py="A = x" + ".y" * 2000 + "\n"))


def test_deep_nesting_is_refused_not_fatal():
    assert "train.py" in rejected(edits(train_py="A = " + "(" * 100_000 + "\n"))


def test_a_nul_byte_is_refused():
    assert "NUL" in rejected(edits(notes_txt="a\0b"))


def test_a_lone_surrogate_is_refused():
    assert "Unicode" in rejected(edits(notes_txt="a\ud800"))


@pytest.mark.parametrize("size, ok", [(LARGEST_FILE, True), (LARGEST_FILE + 1, False)])
def test_the_size_limit_counts_bytes(size, ok):
    answer = edits(notes_txt="é" * (size // 2) + "a" * (size % 2))
    if ok:
        assert apply(FILES, answer, never)
    else:
        assert str(LARGEST_FILE) in rejected(answer)


@pytest.fixture
def by_git(repo_root):
    """`repo_root` with a second editable file; returns a function that makes a patch from a change and applies it."""
    (repo_root / "notes.txt").write_text("hello\n")
    parent = commit_all(repo_root)
    files = {"train/train.py": TRAIN, "notes.txt": "hello\n"}

    def run(*command: str) -> dict[str, str]:
        subprocess.run(command, cwd=repo_root, check=True)
        git(repo_root, "add", "-A")
        patch = git(repo_root, "diff", "--cached", "--binary", "HEAD") + "\n"
        git(repo_root, "reset", "-q", "--hard")
        return apply(files, Answer("h", "replay:x", patch=patch), lambda text: GitRepo(repo_root).apply_patch(parent, text))

    return run


def test_a_patch_becomes_the_new_text(by_git):
    assert by_git("sed", "-i", "s/DEPTH = 4/DEPTH = 5/", "train/train.py") == {"train/train.py": TRAIN.replace("= 4", "= 5")}


@pytest.mark.parametrize(
    "command",
    [
        ("rm", "notes.txt"),
        ("touch", "new.py"),
        ("cp", "notes.txt", "copy.txt"),
        ("mv", "notes.txt", "train/notes.txt"),
        ("sh", "-c", "echo x >> README.md"),
        ("chmod", "+x", "train/train.py"),
        ("ln", "-sf", "/etc/passwd", "notes.txt"),
        ("ln", "-s", "train", "link"),
        ("sh", "-c", "printf 'a\\377\\0' > notes.txt"),
        ("sh", "-c", "printf 'a\\0b' > notes.txt"),
    ],
    ids=" ".join,
)
def test_patches_that_do_more_than_change_editable_text_are_refused(by_git, command):
    with pytest.raises(EditRejected):
        by_git(*command)


def test_a_patch_that_does_not_apply_says_why(repo_root):
    patch = "--- a/train/train.py\n+++ b/train/train.py\n@@ -1 +1 @@\n-NOTHING = 1\n+NOTHING = 2\n"
    parent = git(repo_root, "rev-parse", "HEAD")
    with pytest.raises(EditRejected, match="does not apply.*train/train.py"):
        apply({"train/train.py": TRAIN}, Answer("h", "x", patch=patch), lambda text: GitRepo(repo_root).apply_patch(parent, text))
