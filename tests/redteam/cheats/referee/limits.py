"""Lowers the referee's resource limits, so that it fails at a moment of the candidate's choice."""

CAUGHT_BY = "sandbox: seccomp, pid namespace"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "reached|harmless|invalid"}


def at_start(counts):
    import resource

    if os.getppid() > 1:
        with contextlib.suppress(OSError):
            resource.prlimit(os.getppid(), resource.RLIMIT_CORE, (0, 0))
            reached("the referee's limits")
