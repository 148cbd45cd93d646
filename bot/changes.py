"""The kept changes as changes of text: made again on other files, or undone there."""

from .gitrepo import GitRepo
from .history import History
from .records import Experiment
from .settings import Settings

Texts = dict[str, str]  # path of an editable file -> its text


class Changes:
    def __init__(self, settings: Settings, repo: GitRepo, history: History):
        self.settings, self.repo, self.history = settings, repo, history

    def applied(self, keep: Experiment, texts: Texts) -> Texts | None:
        """`texts` with a kept change, less the hunks that were taken out of it since; None where it is in conflict."""
        for old, new in self.moves(keep):
            texts = texts and self.merge(self.texts(old), texts, self.texts(new))
        return texts

    def undone(self, keep: Experiment, texts: Texts) -> Texts | None:
        """`texts` without a kept change; None where that is in conflict."""
        for old, new in reversed(self.moves(keep)):
            texts = texts and self.merge(self.texts(new), texts, self.texts(old))
        return texts

    def moves(self, keep: Experiment) -> list[tuple[str, str]]:
        """(from, to) of the commits that make up a kept change."""
        pruned = [prune for prune in self.history.taken_out if prune.ids == (keep.id,) and prune.hunks]
        return [(keep.proposal.parent, self.history.sha_of(keep)), *((prune.stack, prune.sha) for prune in pruned)]

    def merge(self, base: Texts, ours: Texts, theirs: Texts) -> Texts | None:
        """Both changes of `base` in one, None where they touch the same lines."""
        found = {path: self._merge(base[path], ours[path], theirs[path]) for path in base}
        return None if None in found.values() else found

    def _merge(self, base: str, ours: str, theirs: str) -> str | None:
        if base in (ours, theirs):
            return theirs if base == ours else ours
        return ours if ours == theirs else self.repo.merge(base, ours, theirs)

    def texts(self, sha: str) -> Texts:
        """What is not there, on a base from before it was made editable, is empty."""
        have = self.repo.tree(sha, [*self.settings.editable])
        return {path: self.repo.read(sha, path) if path in have else "" for path in self.settings.editable}
