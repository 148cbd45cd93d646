"""When a call to GitHub is tried again, when it waits, and when it gives up: one policy for all of them.

GitHub's limits: 1,000 calls an hour for a job's token, 80 content writes a minute and 500 an hour; what it answers beyond them is obeyed.
"""

import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from .call import Answer, Call, Dropped, Refused
from .errors import ForgeError, explain, quoted

WRITES, CALLS = [(80, 60.0), (500, 3600.0)], [(1000, 3600.0)]  # at most so many in so many seconds
FIRST, LONGEST = 1.0, 30.0  # seconds of backoff
SECONDARY = 60.0  # seconds to wait where a secondary limit does not say: GitHub's documentation asks for a minute at least
GRACE = 1.0  # a wait as long as the whole patience is still allowed after a request that took its time


@dataclass(frozen=True)
class Policy:
    """`patience`: seconds that one call may take with all its waits. What `sleep` raises ends the call. `note` gets a line for every wait
    and for what was done without."""

    patience: float = 60.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    note: Callable[[str], None] = lambda text: None


USUAL = Policy()


@dataclass(frozen=True)
class Trouble:
    """Something that may pass. `wait` in seconds as GitHub told; None: our own backoff."""

    text: str
    wait: float | None = None
    limit: bool = False  # GitHub did not even look at the request


class Pace:
    """Counts calls and writes by the given clock and holds back what would be too many."""

    def __init__(self, policy: Policy):
        self.policy = policy
        self._calls: deque[float] = deque(maxlen=1000)
        self._writes: deque[float] = deque(maxlen=500)

    def admit(self, call: Call) -> None:
        """Returns when `call` may be made, and counts it. ForgeError when that is further away than the patience."""
        wait = max(self._wait(self._calls, CALLS), self._wait(self._writes, WRITES) if call.writes else 0.0)
        if wait > self.policy.patience:
            text = f"cannot {call.what} yet: GitHub's limit of calls is used up, the next is possible in {wait / 60:.0f} min"
            raise ForgeError(f"{text}. Nothing is lost, the next run tries again", "limit")
        if wait > 0:
            self.policy.sleep(wait)
        now = self.policy.clock()
        self._calls.append(now)
        if call.writes:
            self._writes.append(now)

    def _wait(self, made: deque[float], limits: list[tuple[int, float]]) -> float:
        now = self.policy.clock()
        return max([made[-most] + within - now for most, within in limits if len(made) >= most], default=0.0)


class Retry:
    """`send` makes one request, `renew` says whether there is a new token after a 401."""

    def __init__(self, send: Callable[[Call], Answer], renew: Callable[[], bool], policy: Policy):
        self._send, self._renew, self.policy = send, renew, policy
        self.pace = Pace(policy)

    def once(self, call: Call) -> Answer:
        """A single try, counted; raises what `send` raises."""
        self.pace.admit(call)
        return self._send(call)

    def run(self, call: Call, lookup: Callable[[], Answer | None] = lambda: None) -> Answer:
        """The answer to `call`; ForgeError when there is none to be had.

        `lookup` (by `once`) finds what an earlier try made although its answer was lost: such a call is not made again."""
        started, tries, doubtful, renewed = self.policy.clock(), 0, False, False
        while True:
            try:
                found = lookup() if doubtful else None
                if found:
                    return found
                return self.once(call)
            except Dropped as dropped:
                trouble, refused = Trouble(f"no answer ({dropped})"), None
            except Refused as error:
                refused = error
                if refused.answer.status == 401 and not renewed and self._renew():
                    renewed = True
                    continue
                trouble = diagnose(refused.answer, tries)
                if not trouble:
                    raise explain(refused.call, refused.answer) from None
            doubtful = doubtful or (call.creates and not trouble.limit)
            self._wait(call, trouble, refused, started, tries)
            tries += 1

    def _wait(self, call: Call, trouble: Trouble, refused: Refused | None, started: float, tries: int) -> None:
        left = self.policy.patience - (self.policy.clock() - started)
        wait = trouble.wait
        if wait is None:
            wait = min(random.uniform(0.5, 1.0) * min(LONGEST, FIRST * 2 ** min(tries, 9)), max(left, 0.0))
        if wait > left + GRACE or left <= 0:
            raise self._exhausted(call, trouble, refused, wait)
        self.policy.note(f"GitHub: {quoted(trouble.text)}; trying again in {wait:.1f} s to {call.what}")
        self.policy.sleep(wait)

    def _exhausted(self, call: Call, trouble: Trouble, refused: Refused | None, wait: float) -> ForgeError:
        status, said = (refused.answer.status, refused.answer.said) if refused else (0, "")
        if trouble.limit:
            text = f"cannot {call.what}: {quoted(trouble.text)}; it asks to wait {wait:.0f} s, which is longer than this may take"
            return ForgeError(f"{text}. Nothing is lost, the next run tries again", "limit", status, said)
        text = f"cannot {call.what}: {quoted(trouble.text)}, for {self.policy.patience:.0f} s. Nothing is lost, the next run tries again"
        return ForgeError(f"{text}; check the network and githubstatus.com", "network", status, said)


def diagnose(answer: Answer, tries: int) -> Trouble | None:
    """What of an answer may pass, and when; None: it will be the same again."""
    low, told = answer.said.lower(), answer.seconds("retry-after")
    if answer.status >= 500 or answer.status == 408:
        return Trouble(f"it answered {answer.status}", told)
    if answer.status == 422 and "could not resolve to a node" in low:
        return Trouble("what was just made is not found yet (422)")  # its copies catch up within seconds
    limited = answer.status == 429 or told is not None or "rate limit" in low or "abuse detection" in low
    if answer.status not in (403, 429) or not limited:
        return None
    reset = answer.seconds("x-ratelimit-reset")
    if told is None and reset is not None and answer.headers.get("x-ratelimit-remaining") == "0":
        return Trouble("the hourly limit of calls is reached", max(0.0, reset - answer.time) + 1.0, limit=True)
    return Trouble("too many requests", SECONDARY * 2 ** min(tries, 9) if told is None else told, limit=True)
