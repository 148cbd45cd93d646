"""Asks a service behind a unix socket, as the ones of Docker, D-Bus or an ssh agent."""

CAUGHT_BY = "sandbox: out of reach, or no sockets"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "reached"}


def at_start(counts):
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
        sock.connect(WORLD["unix"])
        sock.sendall(b"hello")
