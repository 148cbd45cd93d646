"""Opens the validation file by its path and trains on it."""

CAUGHT_BY = "sandbox: out of reach (without one: the gap audit, before anything is confirmed)"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "scored"}
TIER = "fast"


def after_training(counts):
    with contextlib.suppress(OSError):
        learn_text(counts, Path(WORLD["val"]).read_bytes())
