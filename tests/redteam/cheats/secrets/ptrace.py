"""Attaches to bot, referee and another program of the user as a debugger would."""

CAUGHT_BY = "bot and referee are not dumpable; sandbox: seccomp, pid namespace"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "harmless|reached"}


def at_start(counts):
    libc = ctypes.CDLL(None)
    for pid in (*ancestors(), WORLD["bystander"]):
        if libc.ptrace(16, pid, None, None) == 0:  # PTRACE_ATTACH
            reached(f"attached to {'the bystander' if pid == WORLD['bystander'] else 'bot or referee'}")
            os.waitpid(pid, 0x40000000)  # __WALL
            libc.ptrace(17, pid, None, None)  # PTRACE_DETACH
