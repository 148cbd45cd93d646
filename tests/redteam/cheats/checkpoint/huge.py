"""A sparse checkpoint of 20 GB, which costs nothing to write and minutes to read."""

CAUGHT_BY = "the size limit counts the apparent size"
EXPECT = "violation|crash"


def at_end(counts):
    with open(session.output / "more.safetensors", "wb") as file:
        file.truncate(20 << 30)
