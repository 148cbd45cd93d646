"""The next change is thought of while the present one is measured, on the likeliest outcome: that the champion stays.

A thread, for a proposer that waits for a server or for an agent. It reads a record of its own, folded from the ledger's file, so nothing
changes under its hands. If the champion is another one by the time it is needed, what was thought of is merged into the new files, and
asked for again only where that fails.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from bot.proposers import Answer, ProposalContext, Proposer

LOOK = 0.2  # seconds between two looks whether the night is to end


@dataclass
class Thought:
    """What one thread finds. `files`: the champion's that it starts from."""

    files: Mapping[str, str]
    next_id: int = 0  # the experiment that it is for, unless others come before it
    thread: threading.Thread | None = None
    answer: Answer | None = None
    error: BaseException | None = field(default=None, repr=False)

    def begin(self, find: Callable[[], Answer | None]) -> None:
        def think() -> None:
            try:
                self.answer = find()
            except BaseException as error:  # raised again where the answer is needed
                self.error = error

        self.thread = threading.Thread(target=think, name="proposer", daemon=True)
        self.thread.start()

    def ended(self, ending: Callable[[], bool]) -> bool:
        """Waits for it; False where the night is `ending` first. Raises what went wrong in it."""
        while self.thread.is_alive():
            if ending():
                return False
            self.thread.join(LOOK)
        if self.error:
            raise self.error
        return True


class Ahead:
    """At most one thought at a time."""

    def __init__(self, proposer: Proposer):
        self.proposer = proposer
        self.thought: Thought | None = None

    def begin(self, context: Callable[[], ProposalContext], files: Mapping[str, str], next_id: int) -> None:
        """Starts to think, unless that has begun. `context` is called in the thread."""
        if not self.thought:
            self.thought = Thought(files, next_id)
            self.thought.begin(lambda: self.proposer.propose(context()))

    def take(self, files: Mapping[str, str], merge: Callable[[str, str, str], str | None], ending: Callable[[], bool]) -> Answer | None:
        """The answer for the champion that has `files`; None where there is none that fits it, or the night is `ending`.

        `merge(base, ours, theirs)` as in `GitRepo.merge`. Raises what the proposer raised."""
        thought = self.thought
        try:
            if not thought or not thought.ended(ending):
                return None
        except BaseException:
            if not thought.thread.is_alive():  # else a signal came
                self.thought = None
            raise
        self.thought = None
        return thought.answer if thought.files == files else rebased(thought, files, merge)


def rebased(thought: Thought, files: Mapping[str, str], merge: Callable[[str, str, str], str | None]) -> Answer | None:
    """The same change of the new champion's files; None where it touches what the champion's change touched, or is in it already."""
    answer = thought.answer
    if not answer or answer.edits is None or answer.rejected:
        return None
    edits = {}
    for path, text in answer.edits.items():
        if path not in thought.files or path not in files or (merged := merge(thought.files[path], files[path], text)) is None:
            return None
        edits[path] = merged
    return None if all(files[path] == text for path, text in edits.items()) else replace(answer, edits=edits)
