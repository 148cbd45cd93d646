"""The last step before candidate code: limits, then the isolation of one level, then exec. A script, run by `eval.sandbox` only.

    python -I -S eval/confine.py none|bubblewrap|landlock '{"limits": ...}' -- PROGRAM ARGUMENT...

It execs, so the process keeps its pid, its session and its inherited descriptors. Standard library only; the level `landlock` also
needs the package landlockpy in the interpreter that runs this, which need not be the one that trains.
"""

import ctypes
import json
import os
import resource
import signal
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # the folder that holds the package `eval`

from eval import seccomp  # noqa: E402

FILE_BYTES, FILES = 16 << 30, 1 << 16  # the largest file, and how many may be open (a data loader shares tensors as descriptors)
PR_CAPBSET_DROP, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 24, 47, 4  # linux/prctl.h
CAPABILITY_VERSION_3 = 0x20080522  # linux/capability.h
FAILED = 126  # exit code, as a shell's for "found, but could not be run"


def limit() -> None:
    """No core files, no endless file, many descriptors, first in line for the oom killer. Nothing per user: others run as it too."""
    for name, value in (("CORE", 0), ("FSIZE", FILE_BYTES), ("MSGQUEUE", 0)):
        if number := getattr(resource, f"RLIMIT_{name}", None):
            _, hard = resource.getrlimit(number)
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(number, (value, value))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and soft != resource.RLIM_INFINITY:  # macOS refuses what its own limit calls unlimited
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, FILES)), hard))
    if sys.platform == "linux":
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")


def drop_capabilities() -> None:
    """None left, and none that an exec as root would bring back: the bounding set is emptied first, which needs one."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/sys/kernel/cap_last_cap") as file:
        last = int(file.read())
    for capability in range(last + 1):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails without CAP_SETPCAP: then there is nothing to lose either
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header, nothing = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0), (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing):
        raise OSError(ctypes.get_errno(), "cannot give up capabilities")


def landlock(read: list[str], write: list[str], devices: list[str]) -> int:
    """Restricts this process to these files and folders; nothing of the network, no signal outside. Returns the kernel's ABI."""
    import landlockpy
    from landlockpy import AccessFS, Ruleset, Scope

    abi = landlockpy.abi_version()
    if not abi:
        raise OSError("this kernel has no Landlock")
    on_files = AccessFS.EXECUTE | AccessFS.WRITE_FILE | AccessFS.READ_FILE | AccessFS.TRUNCATE | AccessFS.IOCTL_DEV
    reading = AccessFS.EXECUTE | AccessFS.READ_FILE | AccessFS.READ_DIR
    everything = landlockpy.fs_for_abi(abi)
    writing = everything & ~(AccessFS.MAKE_CHAR | AccessFS.MAKE_BLOCK | AccessFS.IOCTL_DEV)
    using = AccessFS.READ_FILE | AccessFS.READ_DIR | AccessFS.WRITE_FILE | AccessFS.IOCTL_DEV
    with Ruleset(scoped=Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL) as rules:
        for paths, access in ((read, reading), (write, writing), (devices, using)):
            for path in paths:
                rules.allow_path(path, access if os.path.isdir(path) else access & on_files)
        rules.restrict()
    return abi


def main() -> None:
    level, options, program = sys.argv[1], json.loads(sys.argv[2]), sys.argv[4:]
    limit()
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and exec would hand that on
        signal.signal(number, signal.SIG_DFL)
    machine = os.uname().machine
    if level == "bubblewrap":
        # bubblewrap installs the filter as its last act, inside; it takes it from a descriptor, which it closes.
        rules = os.memfd_create("seccomp", 0)
        os.write(rules, seccomp.program(machine))
        os.lseek(rules, 0, os.SEEK_SET)
        program[1:1] = ["--seccomp", str(rules)]
    elif level == "landlock":
        drop_capabilities()
        abi = landlock(**options)
        seccomp.install(seccomp.program(machine, landlock=abi, pid=os.getpid()))
    os.execvp(program[0], program)


if __name__ == "__main__":
    try:
        main()
    except (OSError, ImportError) as error:
        print(f"confine: {' '.join(sys.argv[4:5])}: {error}", file=sys.stderr)
        sys.exit(FAILED)
