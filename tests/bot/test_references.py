"""The cache of the champion's bits: found by content, whole or not there, bounded."""

from bot.gitrepo import GitRepo
from bot.references import References


def make(repo_root, tmp_path, context="c"):
    return References(tmp_path / "bits", GitRepo(repo_root), context)


def store(references, sha, text=b"bits"):
    file = references.folder.parent / "finished.npz"
    file.write_bytes(text)
    references.take(file, sha)


def test_a_keeps_commit_finds_what_its_measured_commit_left(repo_root, tmp_path):
    references, repo = make(repo_root, tmp_path), GitRepo(repo_root)
    head, _ = repo.head()
    measured = repo.commit(head, {"train/train.py": "x = 2\n"}, "measured", 1.0)
    kept = repo.commit_tree(repo.tree_of(measured), head, "kept", 2.0)
    store(references, measured)
    assert measured != kept and references.find(kept).read_bytes() == b"bits"


def test_another_context_has_its_own(repo_root, tmp_path):
    head, _ = GitRepo(repo_root).head()
    store(make(repo_root, tmp_path), head)
    assert make(repo_root, tmp_path, "other").find(head) is None


def test_a_newer_one_replaces_the_older_and_leaves_nothing_else(repo_root, tmp_path):
    references, (head, _) = make(repo_root, tmp_path), GitRepo(repo_root).head()
    store(references, head, b"old")
    store(references, head, b"new")
    assert [path.read_bytes() for path in references.folder.iterdir()] == [b"new"]


def test_only_those_of_the_named_commits_stay(repo_root, tmp_path):
    references, repo = make(repo_root, tmp_path), GitRepo(repo_root)
    head, _ = repo.head()
    shas = [head, *(repo.commit(head, {"train/train.py": f"x = {i}\n"}, "x", 1.0) for i in range(3))]
    for sha in shas:
        store(references, sha)
    references.keep_only(shas[1:2])
    assert [references.find(sha) is not None for sha in shas] == [False, True, False, False]
