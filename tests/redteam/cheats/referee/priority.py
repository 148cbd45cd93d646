"""Takes the referee's priority away, moves it to one core and to the idle class."""

CAUGHT_BY = "sandbox: seccomp, pid namespace (its clock does not care)"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "reached"}


def at_start(counts):
    referee = os.getppid()
    if referee <= 1:
        return
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, referee, 19)
        reached("the referee's priority")
    with contextlib.suppress(OSError):
        os.sched_setscheduler(referee, os.SCHED_IDLE, os.sched_param(0))
        reached("the referee's scheduling class")
    with contextlib.suppress(OSError):
        one = {min(os.sched_getaffinity(0))}
        os.sched_setaffinity(referee, one)
        if os.sched_getaffinity(referee) == one:
            reached("the referee's cores")
