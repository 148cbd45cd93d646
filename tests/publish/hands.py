"""What people do to the pull request's branch: GitHub's button *Update branch*, a reset, a revert, an amended commit."""

import tempfile
from pathlib import Path

from tests.conftest import git
from tests.forge.repository import WEB
from tests.publish.box import BRANCH, World

ALICE = ("alice", "alice@users.noreply.github.com")


def put(world: World, sha: str) -> str:
    """A forced push."""
    with world.fake.lock:
        world.repo.git.update(f"refs/heads/{BRANCH}", sha)
        world.repo.sync()
    return sha


def update_branch(world: World, how: str) -> str | None:
    """The button, by `merge` or `rebase`. None where there is nothing to do, or a conflict."""
    bare, head, base = world.repo.git, world.repo.branch(BRANCH), world.repo.branch("main")
    if bare.contains(head, base):
        return None
    if how == "rebase":
        linear = all(len(commit.parents) == 1 for commit in bare.commits(base, head))
        sha = bare.replayed(base, head, WEB, world.fake.clock()) if linear else None
        return sha and put(world, sha)
    tree, message = bare.merged(head, base), f"Merge branch 'main' into {BRANCH}"
    return tree and put(world, bare.commit_tree(tree, [head, base], message, ALICE, world.fake.clock()))


def move_back(world: World, count: int) -> str:
    """To the commit `count` below the newest, or where it left the base branch."""
    bare, sha = world.repo.git, world.repo.branch(BRANCH)
    for _ in range(count):
        if bare.contains(world.repo.branch("main"), sha):
            break
        sha = bare.commit(sha).parents[0]
    return put(world, sha)


def revert(world: World, sha: str) -> str | None:
    """`git revert` of a commit of the branch. None where it conflicts."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder) / "work"
        git(world.repo.path, "worktree", "add", "--quiet", "--detach", str(work), BRANCH)
        try:
            git(work, "revert", "--no-edit", sha)
            new = git(work, "rev-parse", "HEAD")
        except AssertionError:
            return None
        finally:
            git(world.repo.path, "worktree", "remove", "--force", str(work))
    return put(world, new)
