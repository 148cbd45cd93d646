"""The system call filter, instruction by instruction: a small interpreter runs it for both machines, this one's kernel for its own."""

import errno
import re
import struct
from pathlib import Path

import pytest

from eval.seccomp import ALLOW, ARCHITECTURES, ERROR, FENCE, KILL, NAMESPACES, NUMBERS, program

EPERM, ENOSYS = ERROR | errno.EPERM, ERROR | errno.ENOSYS
MACHINES = list(ARCHITECTURES)
HEADERS = {"x86_64": "/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "aarch64": "/usr/include/asm-generic/unistd.h"}


def verdict(machine: str, name: str | int, *args: int, architecture: int | None = None, **options) -> int:
    """What the filter answers to the call `name` (or a number) with these arguments."""
    number = NUMBERS[name][MACHINES.index(machine)] if isinstance(name, str) else name
    words = [number & 0xFFFFFFFF, architecture or ARCHITECTURES[machine], 0, 0]
    words += [half for arg in (*args, *[0] * (6 - len(args))) for half in (arg & 0xFFFFFFFF, arg >> 32 & 0xFFFFFFFF)]
    code, at, value = list(struct.iter_unpack("=HBBI", program(machine, **options))), 0, 0
    while True:
        operation, yes, no, constant = code[at]
        at += 1
        if operation == 0x06:
            return constant
        if operation == 0x20:
            value = words[constant // 4]
        elif operation == 0x54:
            value &= constant
        else:
            at += yes if {0x15: value == constant, 0x35: value >= constant}[operation] else no


@pytest.mark.parametrize("machine", [machine for machine, header in HEADERS.items() if Path(header).exists()])
def test_numbers_are_the_kernel_headers(machine):
    found = re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)$", Path(HEADERS[machine]).read_text(), re.MULTILINE)
    known, column = {name: int(number) for name, number in found if name != "syscalls"}, MACHINES.index(machine)
    newest = max(known.values())
    wrong = {name: pair[column] for name, pair in NUMBERS.items() if (pair[column] or 0) <= newest and known.get(name) != pair[column]}
    assert wrong == {}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("landlock", [0, 1, 7])
def test_denied_whatever_the_level(machine, landlock):
    names = "ptrace process_vm_readv pidfd_getfd bpf perf_event_open userfaultfd keyctl shmget semget msgget mq_open mount unshare setns"
    assert {verdict(machine, name, landlock=landlock) for name in names.split()} == {EPERM}


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["io_uring_setup", "clone3", FENCE, FENCE + 1000, 0x40000000 + 41, 0xFFFFFFFF])
def test_absent(machine, name):
    """io_uring; clone3, whose flags a filter cannot see; what is newer than this list; the second numbering of x86_64 (x32)."""
    assert verdict(machine, name) == ENOSYS


@pytest.mark.parametrize("machine", MACHINES)
def test_other_architecture_is_killed(machine):
    assert verdict(machine, 0, architecture=0x40000003) == KILL  # i386


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("number", [0, 1, 3, 9, 79, 439, FENCE - 2])
def test_ordinary_calls_pass(machine, number):
    assert verdict(machine, number, landlock=1, pid=7) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_start_and_namespaces_do_not(machine):
    flags = [0x3D0F00, 17, *[1 << bit for bit in range(32) if NAMESPACES >> bit & 1]]
    assert [verdict(machine, "clone", flag) for flag in flags] == [ALLOW, ALLOW, *[EPERM] * 7]


@pytest.mark.parametrize("machine", MACHINES)
def test_sockets_in_a_network_of_their_own(machine):
    assert [verdict(machine, "socket", family) for family in (1, 2, 10, 16, 17, 40)] == [ALLOW] * 3 + [EPERM] * 3


@pytest.mark.parametrize("machine", MACHINES)
def test_sockets_beside_landlock(machine):
    """None but pairs of connected streams; the type carries flags (SOCK_CLOEXEC)."""
    assert {verdict(machine, name, 1, landlock=7) for name in ("socket", "connect", "bind", "listen", "accept4")} == {EPERM}
    pairs = [(1, 1), (1, 5), (1, 0x80001), (1, 2), (1, 0x80002), (1, 3), (2, 1)]
    assert [verdict(machine, "socketpair", *pair, landlock=7) for pair in pairs] == [ALLOW] * 3 + [EPERM] * 4


@pytest.mark.parametrize("machine", MACHINES)
def test_terminals_and_file_attributes(machine):
    assert [verdict(machine, "ioctl", 1, request) for request in (0x5401, 0x5412, 0x541C, 0x401C5820)] == [ALLOW] + [EPERM] * 3


@pytest.mark.parametrize("machine", MACHINES)
def test_metadata_beside_landlock(machine):
    """Told that it worked (0), or that the file system has no such thing; in a file system of its own it may."""
    assert verdict(machine, "fchmod", landlock=7) == verdict(machine, "utimensat", landlock=7) == ERROR
    assert verdict(machine, "setxattr", landlock=7) == ERROR | errno.EOPNOTSUPP
    assert verdict(machine, "fchmod") == verdict(machine, "setxattr") == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_own_priority_only_beside_landlock(machine):
    """PRIO_USER (2) with id 0 means every process of this user."""
    tries = [(0, 0), (0, 99), (1, 0), (2, 0)]
    assert [verdict(machine, "setpriority", *which, landlock=7) for which in tries] == [ALLOW] + [EPERM] * 3
    assert [verdict(machine, "sched_setscheduler", pid, landlock=7) for pid in (0, 99)] == [ALLOW, EPERM]


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("abi", [0, 7])
def test_nobody_leaves_its_cores(machine, abi):
    """Told that it worked, by whatever number: OpenMP's threads pin themselves by theirs."""
    assert [verdict(machine, "sched_setaffinity", pid, landlock=abi) for pid in (0, 99)] == [ERROR, ERROR]


@pytest.mark.parametrize("machine", MACHINES)
def test_signals_where_landlock_does_not_watch_them(machine):
    """ABI 5 and older: to itself only, by number or by a descriptor's owner (fcntl F_SETOWN)."""
    assert [verdict(machine, "kill", pid, landlock=5, pid=7) for pid in (0, 7, 8, -1)] == [ALLOW, ALLOW, EPERM, EPERM]
    assert [verdict(machine, "tgkill", pid, landlock=5, pid=7) for pid in (7, 8)] == [ALLOW, EPERM]
    assert [verdict(machine, "fcntl", 3, command, landlock=5, pid=7) for command in (1, 4, 8, 15)] == [ALLOW, ALLOW, EPERM, EPERM]
    assert verdict(machine, "kill", 8, landlock=6, pid=7) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_truncation_where_landlock_does_not_watch_it(machine):
    assert [verdict(machine, "truncate", landlock=abi) for abi in (0, 2, 3)] == [ALLOW, EPERM, ALLOW]


def test_unknown_machine_is_refused():
    with pytest.raises(OSError, match="no system call filter for riscv64"):
        program("riscv64")
