"""A checkpoint that is a link to a file of the user, which the referee would hand to the scoring process."""

CAUGHT_BY = "only plain files"
EXPECT = "violation"


def at_end(counts):
    (session.output / "extra.json").symlink_to(WORLD["netrc"])


def at_load(directory, model):
    loot((directory / "extra.json").read_bytes())
