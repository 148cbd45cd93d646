"""Which system calls candidate code may not make, as a seccomp filter (classic BPF). Standard library only, no other module of ours.

    program("x86_64") -> bytes for `bwrap --seccomp`;  install(program("aarch64", landlock=4, pid=os.getpid()))

A list of what is denied, with a fence: numbers above the highest one reviewed here do not exist, so a newer kernel opens nothing.
Denied are ways out (io_uring, which opens sockets unseen, other processes' memory), things that outlive a process (keys, System V
and POSIX queues), doors to the kernel (bpf, mounts, namespaces) and, beside Landlock, every socket and what else it leaves open.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterator

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}  # AUDIT_ARCH_*, linux/audit.h
FENCE = 470  # the first number that nobody reviewed; from 424 on numbers are the same everywhere. Above it: x32's 0x40000000 + n, too
ALLOW, KILL, ERROR = 0x7FFF0000, 0x80000000, 0x00050000  # SECCOMP_RET_*
LOAD, AND, EQUAL, AT_LEAST, RETURN = 0x20, 0x54, 0x15, 0x35, 0x06  # BPF_LD|W|ABS, ALU|AND|K, JMP|JEQ|K, JMP|JGE|K, RET|K
NUMBER, ARCHITECTURE, ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data; an argument's low half comes first on both machines
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
EPERM, ENOSYS, UNSUPPORTED, PRETEND = errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, 0  # PRETEND: answer 0 and do nothing

# name: number on x86_64, on aarch64 (None: it does not exist there)
NUMBERS = {
    "socket": (41, 198), "connect": (42, 203), "accept": (43, 202), "accept4": (288, 242), "bind": (49, 200), "listen": (50, 201),
    "socketpair": (53, 199), "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "process_madvise": (440, 440),
    "process_mrelease": (448, 448), "pidfd_getfd": (438, 438), "kcmp": (312, 272), "move_pages": (279, 239), "migrate_pages": (256, 238),
    "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "shmdt": (67, 197),
    "semget": (64, 190), "semop": (65, 193), "semctl": (66, 191), "semtimedop": (220, 192),
    "msgget": (68, 186), "msgsnd": (69, 189), "msgrcv": (70, 188), "msgctl": (71, 187),
    "mq_open": (240, 180), "mq_unlink": (241, 181), "mq_timedsend": (242, 182), "mq_timedreceive": (243, 183),
    "mq_notify": (244, 184), "mq_getsetattr": (245, 185),
    "bpf": (321, 280), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "fanotify_init": (300, 262), "lookup_dcookie": (212, 18),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "cachestat": (451, 451),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "open_tree_attr": (467, 467), "statmount": (457, 457), "listmount": (458, 458),
    "unshare": (272, 97), "setns": (308, 268), "clone": (56, 220), "clone3": (435, 435),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225), "acct": (163, 89),
    "quotactl": (179, 60), "quotactl_fd": (443, 443), "nfsservctl": (180, 42), "syslog": (103, 116), "vhangup": (153, 58),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "sethostname": (170, 161), "setdomainname": (171, 162), "iopl": (172, None), "ioperm": (173, None), "modify_ldt": (154, None),
    "uselib": (134, None), "ioctl": (16, 29), "fcntl": (72, 25),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7), "setxattrat": (463, 463), "removexattr": (197, 14),
    "lremovexattr": (198, 15), "fremovexattr": (199, 16), "removexattrat": (466, 466), "file_setattr": (469, 469),
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452), "chown": (92, None), "lchown": (94, None),
    "fchown": (93, 55), "fchownat": (260, 54), "utime": (132, None), "utimes": (235, None), "futimesat": (261, None),
    "utimensat": (280, 88), "truncate": (76, 45),
    "setpriority": (141, 140), "ioprio_set": (251, 30), "sched_setparam": (142, 118), "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122), "sched_setattr": (314, 274), "prlimit64": (302, 261),
    "preadv2": (327, 286), "pwritev2": (328, 287), "mincore": (27, 232), "fadvise64": (221, 223), "readahead": (187, 213),
    "kill": (62, 129), "tkill": (200, 130), "tgkill": (234, 131), "rt_sigqueueinfo": (129, 138), "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
}  # fmt: skip

# ENOSYS: callers fall back to what older kernels have. mincore and preadv2 tell which pages of a file are in memory, and whoever reads a
# page puts it there: one bit that outlives the process, for each page of every readable file.
HIDDEN = ("io_uring_setup", "io_uring_enter", "io_uring_register", "clone3", "preadv2", "pwritev2", "mincore")
# Advice that would erase or write such bits. And it stays on the cores it was given, for another measurement may have the others: a
# thread that may not be pinned is not started at all by some libraries (libgomp with OMP_PROC_BIND), so they are told it worked.
IGNORED = ("fadvise64", "readahead", "sched_setaffinity")
CONDITIONAL = ("socket", "socketpair", "clone", "ioctl", "fcntl")
CONNECTING = ("connect", "accept", "accept4", "bind", "listen")
XATTR = ("setxattr", "lsetxattr", "fsetxattr", "setxattrat", "removexattr", "lremovexattr", "fremovexattr", "removexattrat", "file_setattr")
METADATA = ("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchown", "fchownat")
METADATA += ("utime", "utimes", "futimesat", "utimensat")
SCHEDULING = ("ioprio_set", "sched_setparam", "sched_setscheduler", "sched_setattr", "setpriority", "prlimit64")
SIGNALS = ("kill", "tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal")
OTHERWISE = {*HIDDEN, *IGNORED, *CONDITIONAL, *CONNECTING, *XATTR, *METADATA, *SCHEDULING, *SIGNALS, "truncate", "move_pages"}
DENIED = tuple(NUMBERS.keys() - OTHERWISE)

NAMESPACES = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
# TIOCSTI, TIOCLINUX (type into a terminal); FS_IOC_SETFLAGS, SETVERSION, FSSETXATTR (a few bits on every file one owns)
IOCTLS = (0x5412, 0x541C, 0x40086602, 0x40087602, 0x401C5820)
OWNERS = (0x8901, 0x8902)  # FIOSETOWN, SIOCSPGRP: like fcntl's F_SETOWN and F_SETOWN_EX they name who gets a signal, of any kind
F_SETOWN, F_SETOWN_EX = 8, 15


def program(machine: str, landlock: int = 0, pid: int = 0) -> bytes:
    """The filter for `machine` (os.uname().machine). `landlock`: the ABI that isolates besides, 0 in namespaces; `pid`: the process
    to confine, which may signal itself where Landlock does not watch signals. OSError for another machine."""
    if machine not in ARCHITECTURES:
        raise OSError(f"no system call filter for {machine}")
    column = list(ARCHITECTURES).index(machine)
    code = [(LOAD, 0, 0, ARCHITECTURE), (EQUAL, 1, 0, ARCHITECTURES[machine]), (RETURN, 0, 0, KILL)]
    code += [(LOAD, 0, 0, NUMBER), (AT_LEAST, 0, 1, FENCE), (RETURN, 0, 0, ERROR | ENOSYS)]
    for name, error, checks in rules(landlock, pid):
        if (number := NUMBERS[name][column]) is not None:
            body = block(error, checks)
            code += [(EQUAL, 0, len(body), number), *body]
    code.append((RETURN, 0, 0, ALLOW))
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in code)


def rules(landlock: int, pid: int) -> Iterator[tuple[str, int, tuple]]:
    """(name, error, checks): denied with `error` unless a check (argument, mask, values, verdict) says otherwise, see `block`."""
    for name in DENIED:
        yield name, EPERM, ()
    for name in HIDDEN:
        yield name, ENOSYS, ()
    for name in IGNORED:
        yield name, PRETEND, ()
    yield "clone", EPERM, ((0, NAMESPACES, (0,), True),)
    yield "ioctl", EPERM, ((1, 0xFFFFFFFF, IOCTLS, False),)
    if landlock:
        yield from beside_landlock(landlock, pid)
    else:  # an empty network of its own: what multiprocessing and torch.distributed use among themselves harms nobody
        yield "socket", EPERM, ((0, 0xFFFFFFFF, (1, 2, 10), True),)  # AF_UNIX, AF_INET, AF_INET6; no netlink, packet, vsock


def beside_landlock(abi: int, pid: int) -> Iterator[tuple[str, int, tuple]]:
    """What Landlock of this ABI does not restrict, in part or at all: sockets, metadata, other processes of this user.

    Mode, owner, times and attributes of every file this user owns could be set from inside, which is enough to carry a checkpoint to
    the next run; programs that set them are told it worked."""
    for name in ("socket", *CONNECTING):
        yield name, EPERM, ()
    # Pairs of connected streams only: a datagram socket, though made as a pair, can still be sent anywhere.
    yield "socketpair", EPERM, ((0, 0xFFFFFFFF, (1,), True),)
    yield "socketpair", EPERM, ((1, 0xF, (1, 5), True),)  # SOCK_STREAM, SOCK_SEQPACKET
    for name in METADATA:
        yield name, PRETEND, ()
    for name in XATTR:
        yield name, UNSUPPORTED, ()
    for name in SCHEDULING:  # of oneself only, else a candidate slows the referee down
        which = {"setpriority": (0,), "ioprio_set": (1,)}.get(name)  # PRIO_PROCESS, IOPRIO_WHO_PROCESS
        if which:
            yield name, EPERM, ((0, 0xFFFFFFFF, which, True),)
        yield name, EPERM, ((1 if which else 0, 0xFFFFFFFF, (0,), True),)
    yield "move_pages", EPERM, ((0, 0xFFFFFFFF, (0,), True),)
    if abi < 3:
        yield "truncate", EPERM, ()
    if abi < 6:  # no scope for signals
        for name in SIGNALS:
            itself = {"kill": (0, pid), "tgkill": (pid,), "rt_sigqueueinfo": (pid,), "rt_tgsigqueueinfo": (pid,)}.get(name)
            yield name, EPERM, ((0, 0xFFFFFFFF, itself, True),) if itself else ()
        yield "fcntl", EPERM, ((1, 0xFFFFFFFF, (F_SETOWN, F_SETOWN_EX), False),)
        yield "ioctl", EPERM, ((1, 0xFFFFFFFF, OWNERS, False),)


def block(error: int, checks: tuple) -> list[tuple]:
    """Instructions for one system call, entered with its number loaded. Without a check: denied. With the check (argument, mask,
    values, allowed): argument & mask in values is `allowed`, else the contrary. What is not denied goes on to the next rule."""
    deny = (RETURN, 0, 0, ERROR | error)
    if not checks:
        return [deny]
    ((argument, mask, values, allowed),) = checks
    code = [(LOAD, 0, 0, ARGUMENTS + 8 * argument), (AND, 0, 0, mask)]
    for index, value in enumerate(values):
        rest = len(values) - index - 1
        last = (0, 1) if not allowed and rest == 0 else (0, 0)
        code.append((EQUAL, rest + 1 if allowed else rest, last[1], value))
    return [*code, deny, (LOAD, 0, 0, NUMBER)]


def install(code: bytes) -> None:
    """Puts the filter on this thread and all it will start, for good."""

    class Program(ctypes.Structure):  # struct sock_fprog
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]

    libc = ctypes.CDLL(None, use_errno=True)
    fprog = Program(len(code) // 8, code)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(fprog), 0, 0):
        raise OSError(ctypes.get_errno(), f"cannot filter system calls: {os.strerror(ctypes.get_errno())}")
