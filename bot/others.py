"""Says in one `Rebased` what the record is to make of a branch that people, GitHub or another machine changed.

- Merges of the base branch that git makes alone, and our own commits on another base: the base that moved. Nothing of that is anybody's.
- A commit that undoes a kept change takes it out. What was on the branch and is not any more was taken out too, by whoever moved it;
  what was kept here and nobody has seen yet is applied again on top.
- Everything else is others' own: it stays as it is, and becomes the champion.
"""

import time
from collections.abc import Sequence

from msgspec.structs import replace

from .errors import UsageError
from .reading import Found, Reading
from .records import HUMAN, Experiment, Rebased
from .starting import check_files


class Others(Reading):
    def read(self, tip: str) -> Rebased | None:
        """What to record of a branch at `tip`; None where the record has it. UsageError, which says how to go on, where it cannot."""
        history = self.history
        if tip == history.champion_sha or tip in history.trail and self.marks.left not in history.after(tip):
            return None  # a kill came before the branch was brought to the champion
        if tip in history.champions:
            return self.back(tip)
        found = self.read_commits(tip)
        return found and replace(found, there=tip in (self.marks.there, self.marks.brought))

    def read_commits(self, tip: str) -> Rebased | None:
        """Of a branch that is none of the champions."""
        history = self.history
        at = next((sha for sha in reversed(history.champions) if self.repo.ancestor(sha, tip)), None)
        if not at or tip in (move.replaces for move in history.rebases):
            return self.older(tip)
        if all(map(self.ours, self.repo.between(at, tip))):
            return None  # the ledger lost a line, and the same evidence decides the same way again
        check_files(self.repo, self.settings, tip)
        ground = self.ground(tip)
        self.refuse_foreign(tip, at, ground)
        return self.rebased(tip, at, ground) if ground else self.built_on(tip, at)

    def older(self, tip: str) -> Rebased:
        """A branch on an older base than ours: a line that was left, with more on it perhaps, or another machine's."""
        ground = self.shared(tip)
        commits = self.written.objects.parents(tip, ground, *self.base_tips) if ground else []
        merged = bool(ground and self.kept_as(ground))  # as it is: the commits that are ours are the base branch's now
        if ground == tip or merged or any(sha in self.history.trail for sha, _ in commits):
            check_files(self.repo, self.settings, tip)
            self.refuse_foreign(tip, ground, ground)
            return self.rebased(tip, ground, ground)
        if began := self.begun_elsewhere(tip):
            return self.joined(tip, began)
        raise UsageError(
            f"branch {self.branch} was rewritten by someone else ({tip[:12]} does not build on {self.history.base[:12]}, where the "
            f"research began); choose another `name:`, or delete the branch to go on without that: git branch -D {self.branch}"
        )

    def begun_elsewhere(self, tip: str) -> str | None:
        """Where another machine began with this research, if it was on the branch before anything of ours: on an older base than ours."""
        merge_base, base = self.written.objects.merge_base, self.history.base
        shared = [sha for new in self.base_tips if (sha := merge_base(tip, new)) and self.repo.ancestor(sha, base)]
        if not shared or any(self.marks.published(self.history, sha) for sha in self.history.champions[1:]) or tip in self.history.trail:
            return None
        began = next(sha for sha in shared if all(self.repo.ancestor(other, sha) for other in shared))
        first = self.repo.between(began, tip)[:1]
        return began if first and self.written.bot(first[0].sha) else None

    def joined(self, tip: str, began: str) -> Rebased:
        carry = [e.id for e in self.history.stack]
        why = f"another machine began with {self.branch} on {began[:12]} and was there first: this goes on from {tip[:12]}"
        return Rebased(time.time(), began, why + told("; applied again:", carry), steps=((tip, 0),), carry=tuple(carry))

    def refuse_foreign(self, tip: str, at: str, ground: str | None) -> None:
        same = set() if ground else self.same(tip)
        if foreign := sorted(self.repo.changed(ground or at, tip) - {*self.settings.editable} - same):
            author = self.repo.between(at, tip)[-1].author
            raise UsageError(
                f"{author} changed {', '.join(foreign)} on {self.branch}, which is not in `editable:`; take that out of the branch, "
                "or put it into the base branch: a change that no measurement sees cannot be proved"
            )

    def back(self, tip: str) -> Rebased | None:
        """Somebody moved the branch back to an older champion, and saw what was on it then."""
        champions, left = self.history.champions, self.marks.left
        stay = champions[: champions.index(tip) + 1]
        seen = [*(champions[: champions.index(left) + 1] if left in champions else []), *self.shown]
        later = [e for e in self.history.stack if self.history.sha_of(e) not in stay]
        out = [e.id for e in later if self.history.sha_of(e) in seen or is_theirs(e)]
        if not out and all(prune.sha in stay or prune.sha not in seen for prune in self.history.prunes):
            return None
        carry = [e.id for e in later if e.id not in out]
        why = f"someone moved {self.branch} back to {tip[:12]}{told(' and took out', out)}{told('; applied again:', carry)}"
        return Rebased(time.time(), self.history.base, why, commits=tuple(stay), out=tuple(out), carry=tuple(carry))

    def built_on(self, tip: str, at: str) -> Rebased:
        """Commits on the champion `at`. What was kept on it beside them goes on top."""
        stay = self.history.champions[: self.history.champions.index(at) + 1]
        commits = self.written.objects.parents(tip, at)
        found = self.found(commits, at, self.held(stay))
        out, carry = self.missing(found)
        apart = [*found.reverted, *([] if found.chain else found.undone)]  # by no commit that is that alone
        out = [*apart, *out]
        stay = [sha for sha in stay if sha not in [self.history.sha_of(self.history.experiments[id]) for id in apart]]
        steps = found.steps if found.chain else [(tip, 0)]
        why = f"{self.who(commits)} built on {at[:12]}{told(' and took out', out)}{told('; applied again:', carry)}"
        return Rebased(time.time(), self.history.base, why, commits=tuple(stay), steps=tuple(steps), out=tuple(out), carry=tuple(carry))

    def rebased(self, tip: str, at: str, ground: str) -> Rebased:
        """The branch stands on a newer commit of its base branch: merged into it, or rebased on to it."""
        history, champions = self.history, self.history.champions
        held = [] if self.repo.ancestor(at, ground) else self.held(champions[: champions.index(at) + 1])
        commits = self.written.objects.parents(tip, at, ground, *self.base_tips)
        found = self.found(commits, ground, held)
        merged = self.sorted_by(ground)[0]
        out, carry = self.missing(found, merged)
        out = [*found.reverted, *([] if found.chain else found.undone), *out]
        under = [id for id in sorted(found.ids) if id not in merged and not found.chain]
        theirs = found.theirs or any(is_theirs(history.experiments[id]) for id in under)
        facts = {"merged": tuple(merged), "out": tuple(out)}
        why = f"{self.who(commits)} brought {self.branch} up to date with {self.base_name}, from {history.base[:12]} to {ground[:12]}"
        if self.repo.ancestor(ground, history.base):
            why = f"someone put {self.branch} at {tip[:12]}, from before the research left it"
        why += told(", and took out", out) + told("; it has", merged) + told("; applied again:", [*under, *carry])
        if found.chain:
            return Rebased(time.time(), ground, why, steps=tuple(found.steps), carry=tuple(carry), **facts)
        if theirs:  # their commit stays on the branch, so it comes last
            return Rebased(time.time(), ground, why, under=tuple(under), steps=((tip, 0),), carry=tuple(carry), **facts)
        return Rebased(time.time(), ground, why, carry=(*under, *carry), replaces=tip, **facts)

    # What is there, and what is not any more

    def held(self, stay: list[str]) -> list[int]:
        """The stack of an older champion, the last of `stay`."""
        gone = {id for prune in self.history.prunes if prune.sha in stay and not prune.hunks for id in prune.ids}
        return [e.id for e in self.history.keeps if self.history.sha_of(e) in stay and e.id not in gone]

    def missing(self, found: Found, merged: Sequence[int] = ()) -> tuple[list[int], list[int]]:
        """(ids that people took out by leaving them behind, ids that nobody has seen there yet) of the stack."""
        stack = self.history.stack
        have, again = self.origins([*found.ids, *found.undone, *found.reverted, *merged]), self.origins(found.again)
        gone = [e for e in stack if self.history.origin(e).id not in have]
        rewritten = max((i for i, e in enumerate(stack) if self.history.origin(e).id in again), default=-1)  # they saw what was below it
        shown = self.shown
        out = [e.id for e in gone if stack.index(e) < rewritten or is_theirs(e) or self.history.sha_of(e) in shown]
        return out, [e.id for e in gone if e.id not in out]

    def origins(self, ids: Sequence[int]) -> set[int]:
        return {self.history.origin(self.history.experiments[id]).id for id in ids}

    @property
    def shown(self) -> list[str]:
        """The champions up to the newest one that was on the remote's branch: people saw what is in them."""
        champions = self.history.champions
        newest = next((i for i in range(len(champions) - 1, 0, -1) if self.marks.published(self.history, champions[i])), 0)
        return champions[: newest + 1]

    def who(self, commits: Sequence[tuple[str, list[str]]]) -> str:
        names = self.written.names(sha for sha, _ in commits)
        return " and ".join(names) or ("another machine" if any(self.written.bot(sha) for sha, _ in commits) else "someone")

    def told_of(self, tip: str) -> tuple[str, bool]:
        """(what others' commits up to `tip` on the champion say, whether no human hand was on them)."""
        champion, objects = self.history.champion_sha, self.written.objects
        known = objects.commits(sha for sha in self.history.trail if sha != tip)
        commits = objects.parents(tip, champion, *self.base_tips, *known)
        own = [sha for sha, parents in commits if not self.written.clean(sha, parents)] or [sha for sha, _ in commits]
        said = [commit for commit in self.repo.between(champion, tip) if commit.sha in own]
        words = f"{' and '.join(sorted({c.author for c in said}))}: {'; '.join(c.subject for c in said)}"
        return words, all(map(self.written.machine, own))


def is_theirs(keep: Experiment) -> bool:
    return bool(keep.proposal and keep.proposal.source == HUMAN)


def told(words: str, ids: Sequence[int]) -> str:
    """` and took out 0003, 0004`; empty without ids."""
    return f"{words} {', '.join(f'{id:04d}' for id in ids)}" if ids else ""
