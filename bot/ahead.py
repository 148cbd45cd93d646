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
    thread: threading.Thread | None = None
    answer: Answer | None = None
    error: BaseException | None = field(default=None, repr=False)


class Ahead:
    """At most one thought at a time."""

    def __init__(self, proposer: Proposer):
        self.proposer = proposer
        self.thought: Thought | None = None

    def begin(self, context: Callable[[], ProposalContext], files: Mapping[str, str]) -> None:
        """Starts to think, unless that has begun. `context` is called in the thread."""
        if self.thought:
            return
        thought = self.thought = Thought(files)

        def think() -> None:
            try:
                thought.answer = self.proposer.propose(context())
            except BaseException as error:  # raised again where the answer is needed
                thought.error = error

        thought.thread = threading.Thread(target=think, name="proposer", daemon=True)
        thought.thread.start()

    def take(self, files: Mapping[str, str], merge: Callable[[str, str, str], str | None], ending: Callable[[], bool]) -> Answer | None:
        """The answer for the champion that has `files`; None where there is none that fits it, or the night is `ending`.

        `merge(base, ours, theirs)` as in `GitRepo.merge`. Raises what the proposer raised."""
        thought = self.thought
        while thought and thought.thread.is_alive():
            if ending():
                return None
            thought.thread.join(LOOK)
        self.thought = None
        if not thought:
            return None
        if thought.error:
            raise thought.error
        return thought.answer if thought.files == files else rebased(thought, files, merge)

    @property
    def done(self) -> bool:
        """Whether an answer that has not been taken is there already."""
        return bool(self.thought) and not self.thought.thread.is_alive()


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
