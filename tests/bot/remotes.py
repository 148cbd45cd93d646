"""A research with a bare repository beside it, as its remote: what machines and people do to the branch there."""

from pathlib import Path

from bot.publish.branch import Pushed, bring_branch, push_code
from bot.remote import Remote
from tests.bot.kept import Research
from tests.bot.people import People, text
from tests.conftest import git

BRANCH, LOG = "refs/heads/autoresearch/demo", "refs/autoresearch/published/demo"


def two_pushed(folder: Path) -> People:
    """Two kept changes, pushed."""
    found = People.start(folder / "repo")
    git(folder, "clone", "-q", "--bare", str(found.root), "bare.git")
    found.keep(text(a=1))
    found.keep(text(a=1, b=2))
    assert push(found).status == "pushed"
    return found


def bare(at: Research) -> Path:
    return at.root.parent / "bare.git"


def remote(at: Research) -> Remote:
    return Remote(at.repo, str(bare(at)))


def push(at: Research) -> Pushed:
    return push_code(remote(at), at.repo, at.settings, at.history)


def bring(at: People) -> None:
    bring_branch(remote(at), at.repo, at.settings, at.history)


def there(at: Research, ref: str = BRANCH) -> str:
    return git(bare(at), "for-each-ref", "--format=%(objectname)", ref)


def put(at: Research, sha: str, ref: str = BRANCH) -> str:
    """Somebody pushes with force."""
    git(at.root, "push", "-q", "--force", str(bare(at)), f"{sha}:{ref}")
    return sha


def another(at: People) -> People:
    """A new clone, as of a hosted job, with the same record."""
    folder = at.root.parent / f"clone{len(list(at.root.parent.iterdir()))}"
    git(at.root.parent, "clone", "-q", str(bare(at)), folder.name)
    found = People(folder, "HEAD")
    found.ledger.path.parent.mkdir(parents=True)
    found.ledger.path.write_bytes(at.ledger.path.read_bytes())
    found.at = at.at
    for sha in filter(None, [*at.history.champions, *at.history.trail]):
        git(folder, "fetch", "-q", str(at.root), sha)  # the bundle beside the record has them
    return found
