"""What other workers of one machine did beside a run, as its last line records it (`bot.siblings`)."""

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=10**9)]
Amount = Annotated[float, msgspec.Meta(ge=0, le=1e12)]


class Beside(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the scouts of a research did in some time. Their records stay on their machine (`bot.siblings`)."""

    scouts: Count
    experiments: Count  # of their own, not taken over
    kept: Count
    seconds: Amount  # of measuring
    requests: Count = 0  # to models
    dollars: Amount | None = None  # of those whose price is known; None where there is none
    unpriced: Count = 0

    def __bool__(self) -> bool:
        return bool(self.experiments or self.seconds or self.requests)

    def __add__(self, other: "Beside") -> "Beside":
        known = [found for found in (self.dollars, other.dollars) if found is not None]
        names = ("experiments", "kept", "seconds", "requests", "unpriced")
        sums = {name: getattr(self, name) + getattr(other, name) for name in names}
        return Beside(max(self.scouts, other.scouts), dollars=sum(known) if known else None, **sums)
