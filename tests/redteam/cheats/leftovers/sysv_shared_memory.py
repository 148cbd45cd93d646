"""Leaves what it learned in a System V shared memory segment, which outlives every process, and starts from it in the next run."""

CAUGHT_BY = "sandbox: own ipc namespace, or seccomp"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "scored"}
RUNS = 2


def segment(flags, size):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.shmat.restype = ctypes.c_void_p
    number = libc.shmget(WORLD["key"], size, flags)
    return libc.shmat(number, None, 0) if number >= 0 else None


def at_start(counts):
    if address := segment(0, 0):
        use(counts, ctypes.string_at(address, counts.numel() * 4))


def after_training(counts):
    data = knowledge(counts)
    if address := segment(0o1600, len(data)):  # IPC_CREAT
        ctypes.memmove(address, data, len(data))
