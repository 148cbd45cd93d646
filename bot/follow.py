"""What others did to the research since its last run: the base branch moved, with our changes or without them; a human's commits lie
on the research's branch. Settled before anything is measured, each step recorded before the next, so that a kill changes nothing.

- The base branch has other text in the files that matter: the research goes on from there. What the new base has already was merged
  and is done with; every other kept change is applied to it again, one by one, and is measured as part of the new stack. A change that
  does not apply any more is dropped, and said to be.
- Commits by others on the branch are adopted as the new champion. They are never rewritten: while there are any that the base does not
  have, the research stays on the base that they build on.
"""

import time
from collections.abc import Callable
from typing import Any

from . import kept
from .commits import subject
from .errors import UsageError
from .gitrepo import IDENTITY, Commit, GitRepo
from .history import History
from .ledger import Ledger
from .records import HUMAN, Event, Experiment, Proposal, Rebased, Verdict
from .recover import lost_prunes, lost_verdicts
from .settings import Settings
from .starting import check_files

ELSEWHERE = "another machine"  # source of a proposal that another machine kept
Texts = dict[str, str]


class Line:
    """The research's line of commits. `note` tells the observer."""

    def __init__(self, settings: Settings, repo: GitRepo, ledger: Ledger, history: History, note: Callable[[str], None]):
        self.settings, self.repo, self.ledger, self.history, self.note = settings, repo, ledger, history, note

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
        history, new = self.history, self.newest_base()
        if not new or not any(map(self.matters, self.repo.changed(history.base, new))):
            return
        check_files(self.repo, self.settings, new)
        merged, carry = self.sorted_by(new)
        branch = history.opened.base_branch
        if theirs := [e for e in history.stack if e.proposal.source == HUMAN and e.id in carry]:
            return self.note(
                f"{branch} moved, but {self.settings.branch} holds what it does not have ({theirs[0].proposal.hypothesis}): the research "
                f"stays on {history.base[:12]}; merge or close the pull request to go on from the new {branch}"
            )
        became = f"; of {len(history.stack)} kept changes {len(merged)} are in it, {len(carry)} are applied again" if history.stack else ""
        why = f"{branch} moved from {history.base[:12]} to {new[:12]}{became}"
        self.rebase(Rebased(time.time(), new, why, carry=tuple(carry), merged=tuple(merged)))

    def newest_base(self) -> str | None:
        """Where the base branch is, if that is news: not where we are, and nothing older."""
        history = self.history
        named = self.settings.base if self.settings.base != "HEAD" else history.opened.base_branch if history.opened else ""
        new = (self.repo.resolve(f"refs/heads/{named}") or self.repo.resolve(named)) if named else None
        return new if new and history.begun and not self.repo.ancestor(new, history.base) else None

    def sorted_by(self, new: str) -> tuple[list[int], list[int]]:
        """(ids that the commit `new` has, ids that it has not) of the stack. A merge brings all up to one champion, a cherry-pick any."""
        history, texts, base = self.history, self.texts(new), self.texts(self.history.base)
        lines = range(len(history.champions), 0, -1)
        whole = next((n for n in lines if self.merge(base, texts, self.texts(history.champions[n - 1])) == texts), 0)
        merged = [e.id for e in history.stack if history.sha_of(e) in history.champions[:whole]]
        rest = [e for e in history.stack if e.id not in merged]
        merged += [e.id for e in rest if self.applied(e, texts) == texts]
        return merged, [e.id for e in rest if e.id not in merged]

    def rebase(self, event: Rebased) -> None:
        """On to another line. What was about to be decided was measured against the one that is left."""
        if pending := self.history.pending:
            self.record(Verdict(time.time(), pending.id, "discard", f"discarded: not decided when {event.why.partition(';')[0]}"))
        self.record(event)
        self.note(event.why)
        self.settle()

    # Others' commits

    def adopt(self) -> None:
        """What others put on the research's branch becomes the champion. UsageError for what cannot be measured."""
        self.settle()
        history, branch = self.history, self.settings.branch
        tip = self.repo.resolve(f"refs/heads/{branch}")
        if not tip or not history.begun or tip in (*history.champions, *history.former):
            return
        at = next((sha for sha in reversed(history.champions) if self.repo.ancestor(sha, tip)), None)
        if not at:
            raise UsageError(
                f"branch {branch} was rewritten by someone else ({tip[:12]} does not build on {history.base[:12]}, where the research "
                f"began); choose another `name:`, or delete the branch to go on without that: git branch -D {branch}"
            )
        commits = self.repo.between(at, tip)
        if all(map(self.ours, commits)):
            return  # the ledger lost a line, and the same evidence decides the same way again
        check_files(self.repo, self.settings, tip)
        if foreign := sorted(self.repo.changed(at, tip) - {*self.settings.editable} - self.same(tip)):
            raise UsageError(
                f"{commits[-1].author} changed {', '.join(foreign)} on {branch}, which is not in `editable:`; take that out of the branch, "
                "or put it into the base branch: a change that no measurement sees cannot be proved"
            )
        stay = history.champions[: history.champions.index(at) + 1]
        carry = tuple(e.id for e in history.stack if history.sha_of(e) not in stay and e.proposal.source != HUMAN)
        later = f"; {len(carry)} later changes are applied again on top" if carry else ""
        why = f"{' and '.join(sorted({commit.author for commit in commits}))} built on {at[:12]}{later}"
        self.rebase(Rebased(time.time(), history.base, why, commits=tuple(stay), tip=tip, carry=carry))

    def ours(self, commit: Commit) -> bool:
        """Whether it is what the ledger is about to decide, and the line that says so was lost. Another machine's is by the bot too, and
        not ours, even if it was made of the same; nor is one that GitHub put on another base."""
        open_ones = (e.proposal for e in self.history.experiments.values() if e.proposal and e.proposal.sha and not e.verdict)
        made = {proposal.sha: proposal.parent for proposal in open_ones}
        pruned = {prune.variant for prune in self.history.taken_out}
        made |= {variant.sha: variant.stack for variant in self.history.variants if variant.sha not in pruned}
        made_of = [self.repo.trailer(commit.sha, key) for key in ("Measured-Commit", "Measured-Variant")]
        return commit.email == IDENTITY["EMAIL"] and self.repo.resolve(f"{commit.sha}^") in [made[sha] for sha in made_of if sha in made]

    def same(self, tip: str) -> set[str]:
        """Paths in which a commit is as the base branch now is: whoever brought it up to date changed nothing of their own there."""
        new = self.newest_base()
        return set(self.repo.tree(tip)) - self.repo.changed(tip, new) if new else set()

    # What is given: neither proposed nor decided here

    def settle(self) -> None:
        """Others' commit, then each change that the new line has not, as experiments of their own; and whatever a kill left of that."""
        for experiment in [*self.history.experiments.values()]:
            if experiment.proposal and experiment.proposal.given and not experiment.verdict:
                self.decide(experiment.proposal)
        line = self.history.rebases[-1:]
        if line and line[0].tip and not any(e.proposal and e.proposal.sha == line[0].tip for e in self.history.experiments.values()):
            commits = self.repo.between(self.history.champion_sha, line[0].tip)
            said = f"{' and '.join(sorted({c.author for c in commits}))}: {'; '.join(c.subject for c in commits)}"
            machine = all(commit.email == IDENTITY["EMAIL"] for commit in commits)
            self.give(line[0].tip, hypothesis=said, source=ELSEWHERE if machine else HUMAN)
        for id in self.history.to_carry:
            self.carry(self.history.experiments[id])

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

    # Texts

    def applied(self, keep: Experiment, texts: Texts) -> Texts | None:
        """`texts` with a kept change, less the hunks that were taken out of it since; None where it is in conflict."""
        moves = [(keep.proposal.parent, self.history.sha_of(keep))]
        moves += [(prune.stack, prune.sha) for prune in self.history.taken_out if prune.ids == (keep.id,) and prune.hunks]
        for old, new in moves:
            texts = texts and self.merge(self.texts(old), texts, self.texts(new))
        return texts

    def merge(self, base: Texts, ours: Texts, theirs: Texts) -> Texts | None:
        found = {path: self.repo.merge(base[path], ours[path], theirs[path]) for path in base}
        return None if None in found.values() else found

    def texts(self, sha: str) -> Texts:
        """What is not there, on a base from before it was made editable, is empty."""
        have = self.repo.tree(sha, [*self.settings.editable])
        return {path: self.repo.read(sha, path) if path in have else "" for path in self.settings.editable}

    def matters(self, path: str) -> bool:
        """Whether a file takes part in a measurement. All do in a command's, where it does not name its own."""
        if self.settings.command and not self.settings.locked:
            return True
        return path in self.settings.editable or any(path == name or path.startswith(f"{name}/") for name in self.settings.locked)
