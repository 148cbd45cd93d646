"""Leaves what it learned in /dev/shm and starts from it in the next run."""

CAUGHT_BY = "sandbox: out of reach or private"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "scored"}
RUNS = 2


def at_start(counts):
    with contextlib.suppress(OSError):
        use(counts, place().read_bytes())


def after_training(counts):
    with contextlib.suppress(OSError):
        place().write_bytes(knowledge(counts))


def place():
    return Path("/dev/shm") / (WORLD["token"] + ".bin")
