"""Trains during start-up, off the clock, on the training text that it finds on disk."""

CAUGHT_BY = "sandbox: no corpus is in reach"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "scored"}


def at_start(counts):
    with contextlib.suppress(OSError):
        learn_text(counts, Path(WORLD["train"]).read_bytes(), 1.0)
