"""What stands on the research's branch, commit by commit: a kept change again, one that is taken out, git's own merge, or others' work."""

import re
from dataclasses import dataclass, field

from .changes import Changes, Texts
from .gitrepo import IDENTITY, Commit, GitRepo
from .history import History
from .marks import Marks
from .records import HUMAN, Experiment
from .settings import Settings
from .written import Written

Parents = list[tuple[str, list[str]]]  # (sha, its parents), the oldest first
LOOKED_AT = 100  # commits of a base branch that moved
REVERTS = re.compile(r"This reverts commit ([0-9a-f]{40,64})")


@dataclass
class Found:
    """`ids`: kept experiments whose change is in it; `again`: those that came by commits of it, `undone`: that its commits took out.
    `reverted`: that a commit of others says it reverts, though it does more or less than that. `steps`: see `Rebased`; `theirs`: some of
    it is others' own; `chain`: it is one line of single commits."""

    ids: list[int]
    chain: bool
    steps: list[tuple[str, int]] = field(default_factory=list)
    again: list[int] = field(default_factory=list)
    undone: list[int] = field(default_factory=list)
    reverted: list[int] = field(default_factory=list)
    theirs: bool = False


class Reading(Changes):
    def __init__(self, settings: Settings, repo: GitRepo, history: History):
        super().__init__(settings, repo, history)
        self.branch, self.marks, self.written = settings.branch, Marks(repo, settings), Written(repo)

    # The base branch

    @property
    def base_name(self) -> str:
        named = self.settings.base
        return named if named != "HEAD" else self.history.opened.base_branch if self.history.opened else ""

    @property
    def base_tips(self) -> list[str]:
        """Where the base branch is: here, and on the remote when we last looked there."""
        name = self.base_name
        here = (self.repo.resolve(f"refs/heads/{name}") or self.repo.resolve(name)) if name else None
        return [*filter(None, [here, self.repo.resolve(self.marks.base_ref)])]

    @property
    def newest_base(self) -> str | None:
        """Where the base branch is here, if that is news: not where we are, and nothing older."""
        new = self.base_tips[0] if self.base_tips else None
        return new if new and self.history.begun and not self.repo.ancestor(new, self.history.base) else None

    def ground(self, tip: str) -> str | None:
        """The newest commit of the base branch that `tip` has, if that is newer than the base."""
        sha = self.shared(tip)
        return sha if sha and not self.repo.ancestor(sha, self.history.base) else None

    def shared(self, tip: str) -> str | None:
        """The newest commit of the base branch that `tip` has."""
        found = {sha for new in self.base_tips if (sha := self.written.objects.merge_base(tip, new))}
        return next((sha for sha in found if all(self.repo.ancestor(other, sha) for other in found)), None)

    def same(self, tip: str) -> set[str]:
        """Paths in which a commit is as the base branch now is: whoever brought it up to date changed nothing of their own there."""
        new = self.newest_base
        return set(self.repo.tree(tip)) - self.repo.changed(tip, new) if new else set()

    def sorted_by(self, new: str) -> tuple[list[int], list[int]]:
        """(ids that the commit `new` has, ids that it has not) of the stack. A merge brings all up to one champion, a cherry-pick any."""
        history, texts, base = self.history, self.texts(new), self.texts(self.history.base)
        lines = range(len(history.champions), 0, -1)
        whole = next((n for n in lines if self.merge(base, texts, self.texts(history.champions[n - 1])) == texts), 0)
        merged = [e.id for e in history.stack if history.sha_of(e) in history.champions[:whole]]
        now, carry = texts, []
        for e in (each for each in history.stack if each.id not in merged):
            after = self.applied(e, now)
            if after == now and self.applied(e, texts) == texts:  # alone, what undoes a part of an earlier one would be there too
                merged.append(e.id)
            else:
                carry.append(e.id)
                now = after or now
        return merged, carry

    def withdrawn(self, new: str, ids: list[int]) -> list[int]:
        """Of kept experiments that the commit `new` has not, those that the base branch had on its way there: people took them out."""
        passed = self.written.objects.mainline(self.history.base, new, self.settings.editable, LOOKED_AT) if ids else []
        had = {id for sha in passed if sha != new for id in self.sorted_by(sha)[0]}
        return [id for id in ids if id in had]

    # Commits

    def found(self, commits: Parents, start: str, ids: list[int]) -> Found:
        """`commits` on `start`, which has the kept changes `ids`."""
        below = [start, *(sha for sha, _ in commits)]
        found = Found(list(ids), all(parents == [sha] for sha, (_, parents) in zip(below, commits, strict=False)))
        for sha, parents in commits:
            if len(parents) == 1:
                self._place(sha, parents[0], found)
            elif not self.written.clean(sha, parents):
                found.theirs = True
        return found

    def _place(self, sha: str, parent: str, found: Found) -> None:
        after = self.texts(sha) if self.repo.changed(parent, sha) <= {*self.settings.editable} else None
        before = self.texts(parent)
        if after and (keep := self._again(sha, before, after, found)):
            found.again.append(keep.id)
            found.ids.append(keep.id)
            found.steps.append((sha, keep.id))
        elif after and (gone := self._undone(before, after, found)):
            found.undone += gone
            found.ids = [id for id in found.ids if id not in gone]
            found.steps += [(sha, -id) for id in gone]
        else:
            found.theirs = True
            found.reverted += [id for id in self._said_to_revert(sha) if id in found.ids and id not in found.again]
            found.ids = [id for id in found.ids if id not in found.reverted]
            if found.steps and found.steps[-1][1] == 0 and self.written.machine(found.steps[-1][0]) == self.written.machine(sha):
                found.steps.pop()  # one with the commit below it
            found.steps.append((sha, 0))

    def _again(self, sha: str, before: Texts, after: Texts, found: Found) -> Experiment | None:
        """The kept change that a commit makes again, by its author: what a human wrote stays a human's."""
        if before == after:
            return None
        said, ours = self.repo.trailer(sha, "Experiment"), self.written.bot(sha)
        named = [self.history.experiments.get(int(said))] if said.isdecimal() else []
        known = [*self.kept_as(sha), *filter(None, named), *reversed(self.history.listed)]
        for keep in known:
            fits = keep.status == "keep" and keep.proposal and keep.id not in found.ids and (keep.proposal.source != HUMAN) == ours
            if fits and (self.history.sha_of(keep) == sha or self.applied(keep, before) == after):
                return keep
        return None

    def kept_as(self, sha: str) -> list[Experiment]:
        """The experiments that a commit of any line is, the newest first."""
        return [e for e in reversed(self.history.experiments.values()) if e.status == "keep" and self.history.sha_of(e) == sha]

    def _undone(self, before: Texts, after: Texts, found: Found) -> list[int]:
        """The kept changes that a commit undoes: one, or the newest few."""
        keeps = [self.history.experiments[id] for id in sorted(found.ids, reverse=True)]
        for keep in keeps if before != after else []:
            if self.undone(keep, before) == after:
                return [keep.id]
        texts: Texts | None = before
        for count, keep in enumerate(keeps, 1):
            texts = texts and self.undone(keep, texts)
            if texts == after != before:
                return [each.id for each in keeps[:count]]
        return []

    def _said_to_revert(self, sha: str) -> list[int]:
        """The kept changes whose commits its message names, as `git revert` writes it."""
        named = REVERTS.findall(self.repo._git("log", "-1", "--format=%B", sha, errors="replace"))
        return [e.id for e in self.history.stack if self.history.sha_of(e) in named]

    def ours(self, commit: Commit) -> bool:
        """Whether it is what the ledger is about to decide, and the line that says so was lost. Another machine's is by the bot too, and
        not ours, even if it was made of the same; nor is one that GitHub put on another base."""
        open_ones = (e.proposal for e in self.history.experiments.values() if e.proposal and e.proposal.sha and not e.verdict)
        made = {proposal.sha: proposal.parent for proposal in open_ones}
        pruned = {prune.variant for prune in self.history.taken_out}
        made |= {variant.sha: variant.stack for variant in self.history.variants if variant.sha not in pruned}
        made_of = [self.repo.trailer(commit.sha, key) for key in ("Measured-Commit", "Measured-Variant")]
        return commit.email == IDENTITY["EMAIL"] and self.repo.resolve(f"{commit.sha}^") in [made[sha] for sha in made_of if sha in made]
