"""What others did to the research since its last run: the base branch moved, with our changes or without them; a human's commits lie
on the research's branch. Settled before anything is measured, each step recorded before the next, so that a kill changes nothing.

- The base branch has other text in the files that matter: the research goes on from there. What the new base has already was merged
  and is done with; every other kept change is applied to it again, one by one, and is measured as part of the new stack. A change that
  does not apply any more is dropped, and said to be.
- What others made of the branch is read by `bot.others`. Their own commits are adopted as the new champion. They are never rewritten: while
  there are any that the base does not have, the research stays on the base that they build on.
"""

import time
from collections.abc import Callable
from typing import Any

from . import kept
from .changes import Changes
from .commits import subject
from .errors import UsageError
from .gitrepo import GitRepo
from .history import History
from .ledger import Ledger
from .others import Others
from .records import HUMAN, Event, Experiment, Proposal, Pruned, Rebased, Verdict
from .recover import lost_prunes, lost_verdicts
from .settings import Settings
from .starting import check_files

ELSEWHERE = "another machine"  # source of a proposal that another machine kept


class Line(Changes):
    """The research's line of commits. `note` tells the observer."""

    def __init__(self, settings: Settings, repo: GitRepo, ledger: Ledger, history: History, note: Callable[[str], None]):
        super().__init__(settings, repo, history)
        self.ledger, self.note, self.others = ledger, note, Others(settings, repo, history)

    def record(self, event: Event) -> None:
        self.ledger.append(event)
        self.history.add(event)

    def close_gaps(self) -> None:
        """What the ledger lost of what commits show, before anything is built on it."""
        for verdict in lost_verdicts(self.history, self.repo):
            self.record(verdict)
        for prune in lost_prunes(self.history, self.repo, self.settings.branch):
            self.record(prune)

    # The base

    def follow_base(self) -> None:
        """Goes on from where the base branch is now, if that makes a difference."""
        self.settle()
        history, new = self.history, self.others.newest_base
        if not new:
            return
        if moved := any(map(self.matters, self.repo.changed(history.base, new))):
            check_files(self.repo, self.settings, new)
        merged, missing = self.others.sorted_by(new)
        gone = self.others.withdrawn(new, missing)
        if not moved and not gone:
            return
        carry = [id for id in missing if id not in gone]
        branch = history.opened.base_branch
        if theirs := [e for e in history.stack if e.proposal.source == HUMAN and e.id in carry]:
            return self.note(
                f"{branch} moved, but {self.settings.branch} holds what it does not have ({theirs[0].proposal.hypothesis}): the research "
                f"stays on {history.base[:12]}; merge it, or bring the branch up to date (*Update branch*), to go on from the new {branch}"
            )
        became = f"; of {len(history.stack)} kept changes {len(merged)} are in it, {len(carry)} are applied again" if history.stack else ""
        became += f", {len(gone)} were in it and were taken out again" if gone else ""
        why = f"{branch} moved from {history.base[:12]} to {new[:12]}{became}"
        self.rebase(Rebased(time.time(), new, why, carry=tuple(carry), merged=tuple(merged), out=tuple(gone)))

    def rebase(self, event: Rebased) -> None:
        """On to another line. What was about to be decided was measured against the one that is left."""
        if pending := self.history.pending:
            self.record(Verdict(time.time(), pending.id, "discard", f"discarded: not decided when {event.why.partition(';')[0]}"))
        self.record(event)
        self.note(event.why)
        self.settle()

    # Others' commits

    def adopt(self, moving: bool = False) -> None:
        """What others made of the research's branch is where it goes on from. UsageError for what cannot be measured.

        `moving`: the base may become another one, since nothing was prepared for this one yet."""
        self.settle()
        tip = self.repo.resolve(f"refs/heads/{self.settings.branch}")
        if not tip or not self.history.begun:
            return
        if found := self.others.read(tip):
            if found.base != self.history.base and not moving:
                raise UsageError(f"branch {self.settings.branch} was brought up to date while this run began; start it again")
            self.rebase(found)

    # What is given: neither proposed nor decided here

    def settle(self) -> None:
        """What the new line has of others, and each change that it has not, as experiments of their own; and what a kill left of that."""
        for experiment in [*self.history.experiments.values()]:
            if experiment.proposal and experiment.proposal.given and not experiment.verdict:
                self.decide(experiment.proposal)
        under, steps, carry = self.history.coming
        for id in under:
            self.carry(self.history.experiments[id])
        for sha in dict.fromkeys(sha for sha, _ in steps):
            self.step(sha, [id for each, id in steps if each == sha])
        for id in carry:
            self.carry(self.history.experiments[id])

    def step(self, sha: str, ids: list[int]) -> None:
        """A commit by others' hands: a kept change again, or without such, or their own."""
        if ids[0] < 0:
            return self.take_out(sha, [-id for id in ids])
        if ids[0] > 0:
            keep = self.history.experiments[ids[0]]
            return self.give(sha, hypothesis=keep.proposal.hypothesis, source=keep.proposal.source, carries=keep.id)
        said, machine = self.others.told_of(sha)
        return self.give(sha, hypothesis=said, source=ELSEWHERE if machine else HUMAN)

    def take_out(self, sha: str, ids: list[int]) -> None:
        """A commit that undoes kept changes; `ids` may be those of the line before."""
        history, stack = self.history, self.history.champion_sha
        here = [e.id for e in history.keeps if e.id in ids or (e.proposal and e.proposal.carries in ids)]
        why = f"pruned: {' and '.join(self.others.written.names([sha])) or 'another machine'} took it out"
        kept.hold(self.repo, self.settings, history, self.note, sha)
        newest = max((e.id for e in history.keeps), default=0)
        self.record(Pruned(time.time(), newest, stack, sha, sha, tuple(here), (), why))
        self.note(f"{' '.join(f'{id:04d}' for id in here)} {why}")

    def carry(self, keep: Experiment) -> None:
        parent, id = self.history.champion_sha, self.history.next_id
        before = self.texts(parent)
        after = self.applied(keep, before)
        facts = {"hypothesis": keep.proposal.hypothesis, "source": keep.proposal.source, "carries": keep.id}
        if after is None or after == before:
            rejected = "it is in conflict with what others changed" if after is None else "it is there already"
            return self.give("", rejected=rejected, **facts)
        edits = {path: text for path, text in after.items() if text != before[path]}
        trailers = f"Experiment: {id:04d}\nCarried-From: {keep.id:04d}\n"
        message = f"{subject(keep.proposal.hypothesis)}\n\nmeasured as part of the stack, not apart\n\n{trailers}"
        return self.give(self.repo.commit(parent, edits, message, self.history.rebases[-1].at), **facts)

    def give(self, sha: str, **facts: Any) -> None:
        """A commit on the champion becomes the champion; without one a change is dropped."""
        id, parent = self.history.next_id, self.history.champion_sha
        added, removed = self.repo.lines_changed(parent, sha) if sha else (0, 0)
        kept.hold(self.repo, self.settings, self.history, self.note, sha or parent)
        self.ledger.write_patch(id, self.repo.diff(parent, sha) if sha else "")
        proposal = Proposal(time.time(), id, parent, sha, added=added, removed=removed, given=True, **facts)
        self.record(proposal)
        self.decide(proposal)

    def decide(self, given: Proposal) -> None:
        if given.rejected:
            verdict = Verdict(time.time(), given.id, "discard", f"discarded: not carried over from {given.carries:04d}: {given.rejected}")
        else:
            what = f"carried over from {given.carries:04d}" if given.carries else "others' commit"
            verdict = Verdict(time.time(), given.id, "keep", f"kept: {what}; measured as part of the stack, not apart", sha=given.sha)
        self.record(verdict)
        self.note(f"{given.id:04d} {verdict.why}")

    def matters(self, path: str) -> bool:
        """Whether a file takes part in a measurement. All do in a command's, where it does not name its own."""
        if self.settings.command and not self.settings.locked:
            return True
        return path in self.settings.editable or any(path == name or path.startswith(f"{name}/") for name in self.settings.locked)
