"""Prints a hundred megabytes, in endless lines and with control characters."""

CAUGHT_BY = "the log keeps its end, cut and cleaned"
EXPECT = "harmless"


def at_end(counts):
    for _ in range(400):
        os.write(1, b"\x1b[2J\x07\0" + b"x" * (1 << 18))
    os.write(1, b"\n" * 100_000 + b"\xff\xfe end\n")
