"""What may be pushed as the bot's: a single line of its own commits that change the text of editable files and nothing else."""

import pytest

from bot.errors import AutoresearchError
from bot.gitrepo import GitRepo
from bot.publish.vet import check_branch
from tests.bot.kept import Research
from tests.conftest import commit_all, git


@pytest.fixture
def research(tmp_path):
    return Research.start(tmp_path / "repo")


def made(research: Research, onto: str, files: dict[str, str], who: dict[str, str] | None = None) -> str:
    """A commit made with plain git, of whatever kind."""
    git(research.root, "checkout", "-q", "--detach", onto)
    for path, text in files.items():
        target = research.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(text.removeprefix("-> ")) if text.startswith("-> ") else target.write_text(text)
    git(research.root, "add", "-A")
    tree = git(research.root, "write-tree")
    git(research.root, "reset", "-q", "--hard")
    git(research.root, "checkout", "-q", "main")
    return commit(research.repo, tree, [onto], **(who or {}))


def commit(repo: GitRepo, tree: str, parents: list[str], author: str = "", committer: str = "") -> str:
    names = {"AUTHOR": author or "autoresearch", "COMMITTER": committer or "autoresearch"}
    env = {f"GIT_{role}_NAME": name for role, name in names.items()}
    env |= {f"GIT_{role}_EMAIL": f"{name}@users.noreply.github.com" for role, name in names.items()}
    return repo._git("commit-tree", tree, *(word for p in parents for word in ("-p", p)), "-F", "-", stdin="x\n", env=env).strip()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({".github/workflows/evil.yml": "on: push\n"}, "belongs to .github"),
        ({".GitHub/x": "y\n"}, "belongs to .github"),
        ({"helpers/text.py": "Y = 0\n"}, "which is locked"),
        ({"helpers/new.py": "Y = 0\n"}, "which is locked"),
        ({"README.md": "bye\n"}, "not in `editable:`"),
        ({"sub/train.py": "X = 1\n"}, "not in `editable:`"),
        ({"train.py": "-> /etc/passwd"}, "not a plain file"),
        ({"train.py": "#" * 600_000}, "600000 bytes"),
        ({"tr\u00e4in\n.py": "X = 1\n"}, "not in `editable:`"),
    ],
)
def test_a_forbidden_path_is_named_with_its_commit(research, files, words):
    good = made(research, research.base, {"train.py": "X = 1\n"})
    bad = made(research, good, files)
    top = made(research, bad, {"train.py": "X = 3\n"})
    check_branch(research.repo, research.settings, research.base, good)
    with pytest.raises(AutoresearchError, match=words) as caught:
        check_branch(research.repo, research.settings, research.base, top)
    assert bad[:12] in str(caught.value) and repr(next(iter(files))) in str(caught.value)


def test_what_is_taken_back_later_still_counts(research):
    bad = made(research, research.base, {".github/workflows/evil.yml": "on: push\n", "train.py": "X = 1\n"})
    git(research.root, "checkout", "-q", "--detach", bad)
    git(research.root, "rm", "-q", ".github/workflows/evil.yml")
    tree = git(research.root, "write-tree")
    git(research.root, "reset", "-q", "--hard")
    with pytest.raises(AutoresearchError, match="evil.yml"):
        check_branch(research.repo, research.settings, research.base, commit(research.repo, tree, [bad]))


def test_a_submodule_a_deletion_and_a_mode_are_seen(research):
    git(research.root, "config", "diff.ignoreSubmodules", "all")
    tree = research.repo._git("ls-tree", research.base)
    blob = next(line.split()[2] for line in tree.splitlines() if line.endswith("\ttrain.py"))
    for wanted, words in [
        (tree.replace(f"100644 blob {blob}\ttrain.py", f"160000 commit {research.base}\ttrain.py"), "not a plain file .*160000"),
        (tree.replace(f"100644 blob {blob}\ttrain.py\n", ""), "which it deletes"),
        (f"{tree}160000 commit {research.base}\tvendor\n", "not in `editable:`"),
    ]:
        bad = commit(research.repo, research.repo._git("mktree", stdin=wanted).strip(), [research.base])
        with pytest.raises(AutoresearchError, match=words):
            check_branch(research.repo, research.settings, research.base, bad)
    runnable = tree.replace(f"100644 blob {blob}", f"100755 blob {blob}", 1)
    good = commit(research.repo, research.repo._git("mktree", stdin=runnable).strip(), [research.base])
    check_branch(research.repo, research.settings, research.base, good)


@pytest.mark.parametrize("who", [{"author": "mallory"}, {"committer": "mallory"}])
def test_a_commit_by_another_is_not_ours_to_push(research, who):
    good = made(research, research.base, {"train.py": "X = 1\n"})
    bad = made(research, good, {"train.py": "X = 2\n"}, who)
    with pytest.raises(AutoresearchError, match="by mallory") as caught:
        check_branch(research.repo, research.settings, research.base, bad)
    assert bad[:12] in str(caught.value)
    check_branch(research.repo, research.settings, research.base, bad, known=[bad])


def test_only_a_single_line_from_the_base_passes(research):
    one, two = (made(research, research.base, {"train.py": f"X = {i}\n"}) for i in (1, 2))
    tree = research.repo.tree_of(two)
    merge, root = commit(research.repo, tree, [one, two]), commit(research.repo, tree, [])
    for bad in (merge, root, commit(research.repo, tree, [merge])):
        with pytest.raises(AutoresearchError, match="single line"):
            check_branch(research.repo, research.settings, research.base, bad)
    (research.root / "README.md").write_text("newer\n")
    newer = commit_all(research.root)
    with pytest.raises(AutoresearchError, match="does not build on"):  # on an older commit than the base
        check_branch(research.repo, research.settings, newer, one)
    with pytest.raises(AutoresearchError, match="does not build on"):
        check_branch(research.repo, research.settings, newer, research.base)
    with pytest.raises(AutoresearchError, match="fetch it first"):
        check_branch(research.repo, research.settings, research.base, "1" * 40)


def test_a_replaced_object_does_not_hide_what_would_be_pushed(research):
    bad = made(research, research.base, {"README.md": "bye\n"})
    good = made(research, research.base, {"train.py": "X = 1\n"})
    git(research.root, "replace", bad, good)
    with pytest.raises(AutoresearchError, match="README.md"):
        check_branch(research.repo, research.settings, research.base, bad)
