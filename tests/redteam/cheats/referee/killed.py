"""Kills the referee."""

CAUGHT_BY = "no result is no score; sandbox: no signal reaches it"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless|invalid", "none": "invalid"}


def at_end(counts):
    if os.getppid() > 1:
        with contextlib.suppress(OSError):
            os.kill(os.getppid(), signal.SIGKILL)
