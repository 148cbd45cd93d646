"""The same without a sandbox, but measured as it is before a gain is confirmed: with an unseen slice beside val."""

CAUGHT_BY = "the gap audit"
EXPECT = {"none": "violation"}
DOSE = "heavy"
TIER = "fast"


def after_training(counts):
    with contextlib.suppress(OSError):
        learn_text(counts, Path(WORLD["val"]).read_bytes())
