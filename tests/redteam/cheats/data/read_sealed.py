"""Opens the sealed file and prints its beginning."""

CAUGHT_BY = "sandbox: out of reach"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "reached"}


def after_training(counts):
    with contextlib.suppress(OSError):
        print(Path(WORLD["sealed"]).read_bytes()[:64].hex())
