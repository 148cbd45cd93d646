"""Servers that a candidate must not reach: TCP, UDP, a name server's port, unix sockets. They write down who came."""

import selectors
import socket
import threading
from pathlib import Path
from typing import Any

BYTES = 1 << 16


class Listeners:
    """Open until `close`. `told`: name -> address, as a cheat gets to know them; `contacts`: names of those that were reached."""

    def __init__(self, folder: Path, token: str):
        self.contacts: set[str] = set()
        self.told: dict[str, Any] = {}
        self.selector = selectors.DefaultSelector()
        self.wake, self.stop = socket.socketpair()
        self.selector.register(self.stop, selectors.EVENT_READ, "stop")
        stream, datagram = socket.SOCK_STREAM, socket.SOCK_DGRAM
        self._open("tcp", socket.AF_INET, stream, ("127.0.0.1", 0))
        self._open("udp", socket.AF_INET, datagram, ("127.0.0.1", 0))
        self._open("dns", socket.AF_INET, datagram, ("127.0.0.1", 0))
        self._open("unix", socket.AF_UNIX, stream, str(folder / "s"))
        self._open("unix_datagram", socket.AF_UNIX, datagram, str(folder / "d"))
        self._open("abstract", socket.AF_UNIX, stream, f"\0{token}-s")
        self._open("abstract_datagram", socket.AF_UNIX, datagram, f"\0{token}-d")
        self.thread = threading.Thread(target=self._serve, name="listeners", daemon=True)
        self.thread.start()

    def _open(self, name: str, family: socket.AddressFamily, kind: socket.SocketKind, address: Any) -> None:
        server = socket.socket(family, kind)
        server.bind(address)
        if kind == socket.SOCK_STREAM:
            server.listen()
        self.selector.register(server, selectors.EVENT_READ, name)
        self.told[name] = server.getsockname()[1] if family == socket.AF_INET else address.lstrip("\0")

    def _serve(self) -> None:
        while True:
            for key, _ in self.selector.select():
                if key.data == "stop":
                    return
                assert isinstance(key.fileobj, socket.socket)
                self.contacts.add(key.data)
                if key.fileobj.type == socket.SOCK_STREAM:
                    key.fileobj.accept()[0].close()
                else:
                    key.fileobj.recv(BYTES)

    def close(self) -> None:
        self.wake.send(b"x")
        self.thread.join()
        for key in list(self.selector.get_map().values()):
            assert isinstance(key.fileobj, socket.socket)
            key.fileobj.close()
        self.selector.close()
        self.wake.close()
