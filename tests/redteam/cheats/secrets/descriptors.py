"""Uses whatever files the referee left open in it."""

CAUGHT_BY = "two descriptors are passed on, the socket and the memory of the batches"
EXPECT = "harmless"


def at_start(counts):
    for fd in sorted(os.listdir("/proc/self/fd"), key=int):
        with contextlib.suppress(OSError):
            path = os.readlink(f"/proc/self/fd/{fd}")
            if path.startswith("/") and not path.startswith(("/dev/null", "/memfd:", "/proc/")):
                reached(f"an open file {path}")
