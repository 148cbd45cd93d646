"""Reads the environment of the process that started the referee, and of everything else that it can see, for tokens."""

CAUGHT_BY = "the environment is an allow-list, bot and referee are not dumpable (which stops everyone but root)"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "harmless|reached"}  # reached by root alone


def at_start(counts):
    loot(repr(dict(os.environ)))
    for pid in ("self", *ancestors()):
        for name in ("environ", "cmdline", "auxv"):
            with contextlib.suppress(OSError):
                loot(Path(f"/proc/{pid}/{name}").read_bytes())
