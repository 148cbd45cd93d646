"""A checkpoint that is a hard link to a secret file."""

CAUGHT_BY = "only files with one name; sandbox: the link cannot be made"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "violation"}


def at_end(counts):
    with contextlib.suppress(OSError):
        os.link(WORLD["netrc"], session.output / "extra.json")


def at_load(directory, model):
    with contextlib.suppress(OSError):
        loot((directory / "extra.json").read_bytes())
