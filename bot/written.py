"""Who wrote a commit, and whether a merge is more than git makes of its two sides alone."""

from collections.abc import Iterable

from .gitobjects import Objects
from .gitrepo import IDENTITY, GitRepo

GITHUB = "<noreply@github.com>"  # commits what is merged or rebased in the browser
BOT = f"<{IDENTITY['EMAIL']}>"


class Written:
    def __init__(self, repo: GitRepo):
        self.repo, self.objects = repo, Objects(repo)
        self._known: dict[str, tuple[str, str]] = {}

    def bot(self, sha: str) -> bool:
        """Whether the bot is its author, whoever put it where it is."""
        return self._who(sha)[0].endswith(BOT)

    def machine(self, sha: str) -> bool:
        """Whether no human hand was on it: GitHub puts commits on another base, too."""
        return self.bot(sha) and self._who(sha)[1].endswith((BOT, GITHUB))

    def names(self, shas: Iterable[str]) -> list[str]:
        """Of the people behind commits, each once."""
        found = {who.rpartition(" <")[0] for sha in shas for who in self._who(sha) if not who.endswith((BOT, GITHUB))}
        return sorted(found)

    def _who(self, sha: str) -> tuple[str, str]:
        if sha not in self._known:
            self._known |= self.objects.identities([sha])
        return self._known[sha]

    def unknown(self, tip: str, known: Iterable[str]) -> list[str]:
        """Commits that `tip` has and none of `known` (those that there are), the oldest first."""
        return [sha for sha, _ in self.objects.parents(tip, *self.objects.commits(known))]

    def clean(self, sha: str, parents: list[str]) -> bool:
        """Whether the merge of two commits is what git makes of them, so that nobody decided anything in it."""
        if len(parents) != 2:
            return False
        done = self.repo._run("merge-tree", "--write-tree", *parents)  # git 2.38 and newer
        if done.returncode == 0 and done.stdout.decode().split("\n")[0] == self.repo.tree_of(sha):
            return True
        base = self.objects.merge_base(*parents)
        return bool(base) and self._merged(base, *parents, sha)

    def _merged(self, base: str, ours: str, theirs: str, merge: str) -> bool:
        """As `clean`, path by path: another git may have made it."""
        old, one, two, new = map(self.repo.tree, (base, ours, theirs, merge))
        for path in old.keys() | one.keys() | two.keys() | new.keys():
            before, left, right, now = (tree.get(path) for tree in (old, one, two, new))
            if before in (left, right) or left == right:
                if now != (right if before == left else left):
                    return False
            elif not (before and left and right and now) or not self._text(base, ours, theirs, merge, path):
                return False
        return True

    def _text(self, base: str, ours: str, theirs: str, merge: str, path: str) -> bool:
        try:
            old, one, two, new = (self.repo.read(sha, path) for sha in (base, ours, theirs, merge))
        except UnicodeDecodeError:
            return False
        return self.repo.merge(old, one, two) == new
