"""GitHub's rate limits, counted per login by the server's clock. Enforced only where a test sets them: simulated hours pass fast."""

from collections import defaultdict, deque
from dataclasses import dataclass, field

HOUR, MINUTE = 3600.0, 60.0
UNLIMITED = 1_000_000


@dataclass
class Limits:
    """`calls_hour`: 1,000 for a job's token. `writes_minute`, `writes_hour`: 80 and 500. None switches a limit off."""

    calls_hour: int | None = None
    writes_minute: int | None = None
    writes_hour: int | None = None
    _calls: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque), repr=False)
    _writes: dict[str, deque[float]] = field(default_factory=lambda: defaultdict(deque), repr=False)

    def take(self, login: str, write: bool, now: float) -> str | None:
        """Counts a request; `primary` or `secondary` where it is one too many."""
        calls, writes = _recent(self._calls[login], now), _recent(self._writes[login], now)
        if self.calls_hour is not None and len(calls) >= self.calls_hour:
            return "primary"
        calls.append(now)
        if not write:
            return None
        minute = sum(at > now - MINUTE for at in writes)
        full = self.writes_hour is not None and len(writes) >= self.writes_hour
        if full or (self.writes_minute is not None and minute >= self.writes_minute):
            return "secondary"
        writes.append(now)
        return None

    def state(self, login: str, now: float) -> dict[str, int]:
        """As /rate_limit shows it; `reset` is when the oldest counted call leaves the hour."""
        calls, limit = _recent(self._calls[login], now), self.calls_hour or UNLIMITED
        reset = int((calls[0] if calls else now) + HOUR)
        return {"limit": limit, "remaining": max(0, limit - len(calls)), "reset": reset, "used": len(calls)}


def _recent(times: deque[float], now: float) -> deque[float]:
    while times and times[0] <= now - HOUR:
        times.popleft()
    return times
