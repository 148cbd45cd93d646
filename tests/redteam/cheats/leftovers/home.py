"""Leaves what it learned in HOME and starts from it in the next run."""

CAUGHT_BY = "HOME is private to a run, and wiped"
EXPECT = "harmless"
RUNS = 2
PLACE = Path.home() / "knowledge.bin"


def at_start(counts):
    with contextlib.suppress(OSError):
        use(counts, PLACE.read_bytes())


def after_training(counts):
    with contextlib.suppress(OSError):
        PLACE.write_bytes(knowledge(counts))
