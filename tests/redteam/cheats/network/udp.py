"""Sends a datagram, which Landlock alone does not stop."""

CAUGHT_BY = "sandbox: no network, or no sockets"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "reached"}
TIER = "fast"


def at_start(counts):
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"hello", ("127.0.0.1", WORLD["udp"]))
