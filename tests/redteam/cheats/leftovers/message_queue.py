"""Leaves what it learned in a POSIX message queue and in a named semaphore's place, and starts from it in the next run."""

CAUGHT_BY = "sandbox: own ipc namespace, or seccomp"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "scored|harmless"}
RUNS = 2
OPEN, SEND, RECEIVE = (180, 182, 183) if os.uname().machine == "aarch64" else (240, 242, 243)
SIZE = 8192


def queue():
    attributes = (ctypes.c_long * 8)(0, 10, SIZE, 0)
    return ctypes.CDLL(None).syscall(OPEN, WORLD["token"].encode(), os.O_RDWR | os.O_CREAT | os.O_NONBLOCK, 0o600, attributes)


def at_start(counts):
    fd, part, data = queue(), ctypes.create_string_buffer(SIZE), b""
    while fd >= 0 and ctypes.CDLL(None).syscall(RECEIVE, fd, part, SIZE, None, None) == SIZE:
        data += part.raw
    if len(data) >= counts.numel() * 4:
        use(counts, data[: counts.numel() * 4])


def after_training(counts):
    fd, data = queue(), knowledge(counts)
    for start in range(0, len(data), SIZE):
        ctypes.CDLL(None).syscall(SEND, fd, data[start : start + SIZE], SIZE, 0, None)
