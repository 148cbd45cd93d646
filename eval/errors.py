"""Errors of the referee that are the caller's to fix. What a candidate does wrong is an outcome, never a traceback."""


class RefereeError(Exception):
    """Bad arguments, corpus or machine: one sentence that names the cause and the fix. `python -m eval` exits 2."""


class Failed(Exception):
    """A measurement ended without a value. `outcome` is crash | timeout | oom | invalid | violation | stopped; `reason` one sentence.

    `reproduction`: the smallest case that shows a breach (`eval.agreement`); `explanation`: what the candidate's author can do about it.
    Raised anywhere inside a measurement, caught once (`eval.measure`), written into the result with `val_bpb: null`."""

    def __init__(self, outcome: str, reason: str, *, reproduction: dict | None = None, explanation: str = ""):
        super().__init__(reason)
        self.outcome, self.reason = outcome, reason
        self.reproduction, self.explanation = reproduction, explanation
