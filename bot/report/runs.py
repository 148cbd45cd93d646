"""What a single run is called in every view."""

from bot.records import Measurement

ROLES = {"ablate": "leave one out", "final": "final comparison"}  # in words, where the role's name says too little


def word(role: str) -> str:
    return ROLES.get(role, role)


def role(m: Measurement) -> str:
    """`confirm 2`: what a run was made for."""
    return f"{word(m.role)} {m.index + 1}{', sealed split' if m.split == 'sealed' else ''}"


def ended(m: Measurement) -> str:
    """The outcome of a run without a value. A run that was clearly losing is not an experiment that the night's end interrupted."""
    return "stopped early" if m.outcome == "stopped" else m.outcome
