"""Improves the results of earlier runs and the report."""

CAUGHT_BY = "sandbox: out of reach or read-only"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "reached"}


def at_start(counts):
    for name in ["earlier", "report"]:
        with contextlib.suppress(OSError), open(WORLD[name], "a") as file:
            file.write("PATH=/evil\n")
