"""How referee, trainer and worker talk: JSON lines over an inherited socket, bulk data in inherited anonymous memory.

Nothing has a name another process could open: a `socketpair` and a `memfd` (an unlinked temporary file where the system
has no memfd) are passed as file descriptors, so a sandbox without network and without a shared /dev/shm changes nothing.
The referee touches the memory with `pread`/`pwrite` only, never through a mapping: the read *is* the private copy (DESIGN 5,
step 2), and a candidate that truncates the file gives a short read instead of a SIGBUS in the referee.
"""

import argparse
import json
import os
import socket
import tempfile

LINE_LIMIT = 1 << 16  # bytes; our longest message has a few hundred


class Breach(Exception):
    """The other side spoke something other than the protocol (garbage, an endless line, questions without reading answers)."""


class Channel:
    """JSON objects, one a line, over a stream socket. `receive` blocks; `pending` does not. Both give what came in order."""

    def __init__(self, sock: socket.socket):
        self.sock, self.buffer, self.lines, self.closed = sock, b"", [], False

    @classmethod
    def of_fd(cls, fd: int) -> "Channel":
        """Adopts an inherited descriptor and hides it from this process's own children."""
        os.set_inheritable(fd, False)
        return cls(socket.socket(fileno=fd))

    def fileno(self) -> int:
        return self.sock.fileno()

    def send(self, wait: bool = True, **message) -> None:
        """One message. `wait=False` (the referee): a peer that does not read its answers is a Breach, never a blocked referee."""
        data = json.dumps(message).encode() + b"\n"
        try:
            if wait:
                self.sock.sendall(data)
            elif self.sock.send(data, socket.MSG_DONTWAIT) != len(data):
                raise Breach("it asks without reading the answers")
        except BlockingIOError:
            raise Breach("it asks without reading the answers") from None
        except (BrokenPipeError, ConnectionResetError):
            self.closed = True  # the reader sees the end of the stream, with the reason, on its own

    def _fill(self, flags: int = 0) -> None:
        """Reads once. At the end of the stream sets `closed`."""
        try:
            data = self.sock.recv(1 << 16, flags)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        self.closed = self.closed or not data
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        if len(self.buffer) > LINE_LIMIT:
            raise Breach("it sent an endless line")
        for line in lines:
            try:
                message = json.loads(line)
            except (ValueError, RecursionError):
                raise Breach(f"it sent {line[:80]!r}, which is no message") from None
            if not isinstance(message, dict) or not isinstance(message.get("op"), str):
                raise Breach(f"it sent {line[:80]!r}, which is no message")
            self.lines.append(message)

    def receive(self) -> dict | None:
        """The next message, waiting for it; None at the end of the stream."""
        while not self.lines:
            if self.closed:
                return None
            self._fill()
        return self.lines.pop(0)

    def pending(self) -> list[dict]:
        """Every message that has arrived, without waiting (one read at most, so a flood cannot hold the referee)."""
        if not self.closed:
            self._fill(socket.MSG_DONTWAIT)
        lines, self.lines = self.lines, []
        return lines


def channel_pair() -> tuple[Channel, socket.socket]:
    """(our end, their end). Their end's descriptor goes into `pass_fds`; close it here after the spawn."""
    ours, theirs = socket.socketpair()
    return Channel(ours), theirs


def memory_file(label: str) -> int:
    """A descriptor of nameless memory, empty; grown with `os.ftruncate`. Shared with whoever inherits the descriptor."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(label, os.MFD_CLOEXEC)
    with tempfile.NamedTemporaryFile(prefix=label) as file:  # macOS: the name is gone at once, the descriptor stays
        return os.dup(file.fileno())


def read_into(fd: int, buffer: memoryview, offset: int) -> None:
    """Fills `buffer` from the shared memory at byte `offset`. Breach if it is too short: the other side truncated it."""
    done, view = 0, memoryview(buffer).cast("B")
    while done < len(view):  # the kernel may return less than asked for above 2 GiB
        count = os.preadv(fd, [view[done:]], offset + done)
        if count == 0:
            raise Breach("it truncated the shared memory")
        done += count


def report_in() -> tuple[Channel, int]:
    """The start of trainer and worker, torch imported: adopts the two descriptors named in argv and says hello."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", type=int, required=True)
    parser.add_argument("--memory", type=int, required=True)
    args = parser.parse_args()
    channel = Channel.of_fd(args.socket)
    os.set_inheritable(args.memory, False)
    channel.send(op="hello", pid=os.getpid())
    return channel, args.memory


def first_order(channel: Channel) -> dict | None:
    """What trainer or worker is to do; None if the referee has no use for it. "What machine is this?" is answered on the way:
    a pre-warmed process hears that question long before it is told its candidate."""
    from eval.fingerprint import torch_facts

    while (message := channel.receive()) is not None and message["op"] == "describe":
        try:
            channel.send(op="machine", machine=torch_facts(message["device"]))
        except ValueError as error:
            channel.send(op="machine", error=str(error))
    return message
