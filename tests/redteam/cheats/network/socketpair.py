"""Makes a datagram socket with socketpair, which programs need, and points it at a service's unix or abstract address."""

CAUGHT_BY = "sandbox: namespaces; Landlock's scope and a filter for connect"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "reached"}


def at_start(counts):
    for address in (WORLD["unix_datagram"], "\0" + WORLD["abstract_datagram"]):
        with contextlib.suppress(OSError):
            ours, _ = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
            with contextlib.suppress(OSError):
                ours.sendto(b"hello", address)
            ours.connect(address)
            ours.send(b"hello")
