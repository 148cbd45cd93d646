"""Where the research's branch was left: here by a run, and on the remote by any machine. If it is elsewhere, people moved it.

`refs/autoresearch/left/<name>` is this clone's. `refs/autoresearch/published/<name>` is the remote's, pushed together with the branch or
not at all, and here what it was when we last looked. Its commits are a log: each has the commit that was pushed as first parent, and the
entry before it as second. So any clone knows what was ever on the branch, and git prunes none of it, whatever people do to the branch.
"""

from .gitrepo import GitRepo
from .history import History
from .settings import Settings


class Marks:
    def __init__(self, repo: GitRepo, settings: Settings):
        self.repo, self.branch = repo, settings.branch
        kinds = ("left", "pushed", "brought", "published", "base", "remote")  # the first three: by this clone
        refs = [f"refs/autoresearch/{kind}/{settings.name}" for kind in kinds]
        self.left_ref, self.pushed_ref, self.brought_ref, self.ref, self.base_ref, self.there_ref = refs

    # Here

    @property
    def left(self) -> str | None:
        return self.repo.resolve(self.left_ref)

    def leave(self, sha: str) -> None:
        if self.left != sha:
            self.repo._git("update-ref", self.left_ref, sha)

    # On the remote

    @property
    def log(self) -> str | None:
        """The newest entry; None where nothing is known of the remote."""
        return self.repo.resolve(self.ref)

    @property
    def last(self) -> str | None:
        """What the machines left the remote's branch at."""
        return self.repo.resolve(f"{self.ref}^1") if self.log else None

    def entry(self, sha: str) -> str:
        """The log with one more entry, as a commit that no ref has yet."""
        return self.repo.commit_tree(self.repo.tree_of(sha), [sha, *filter(None, [self.log])], f"{self.branch} is at {sha}\n", 0.0)

    @property
    def there(self) -> str | None:
        """Where the remote's branch was when we last looked."""
        return self.repo.resolve(self.there_ref)

    @property
    def brought(self) -> str | None:
        """What this clone took from there last, whatever became of it there."""
        return self.repo.resolve(self.brought_ref)

    def take(self, ref: str, sha: str | None) -> None:
        """Remembers what the remote has."""
        if sha and sha != self.repo.resolve(ref):
            self.repo._git("update-ref", ref, sha)
        elif not sha:
            self.repo._try("update-ref", "-d", ref)

    def published(self, history: History, sha: str) -> bool:
        """Whether it ever was on the remote's branch, as far as anybody wrote down."""
        log = self.log
        return sha in history.brought or bool(log and self.repo.resolve(sha) and self.repo.ancestor(sha, log))

    def since(self, history: History, sha: str) -> str | None:
        """Where the remote's branch was after `sha`, as far as this record knows: if it is at `sha` now, people moved it back."""
        later, bases = history.after(sha), {history.base, *(move.base for move in history.rebases)}
        left = [self.last, self.repo.resolve(self.pushed_ref)]  # the second alone where a server takes no log
        was = [each for each in reversed(later) if each in left or each not in bases and self.published(history, each)]
        return was[0] if was else None
