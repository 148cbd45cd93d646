"""Leaves what it learned in /tmp and /var/tmp and starts from it in the next run."""

CAUGHT_BY = "sandbox: private folders"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "scored"}
RUNS = 2


def at_start(counts):
    for place in places():
        with contextlib.suppress(OSError):
            return use(counts, place.read_bytes())


def after_training(counts):
    data = knowledge(counts)
    for place in places():
        with contextlib.suppress(OSError):
            place.write_bytes(data)


def places():
    return [Path(WORLD["tmp"] + ".bin"), Path("/var/tmp") / (WORLD["token"] + ".bin"), Path("/tmp") / (WORLD["token"] + ".bin")]
