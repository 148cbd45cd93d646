"""Asks a service behind an abstract unix socket, which stands in no folder."""

CAUGHT_BY = "sandbox: network namespace, or no sockets"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "reached"}


def at_start(counts):
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
        sock.connect("\0" + WORLD["abstract"])
        sock.sendall(b"hello")
