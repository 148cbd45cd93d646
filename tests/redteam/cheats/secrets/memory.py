"""Searches the memory of bot and referee for tokens, through /proc/PID/mem and process_vm_readv."""

CAUGHT_BY = "bot and referee are not dumpable (which stops everyone but root)"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "harmless|reached"}  # reached by root alone


class Piece(ctypes.Structure):
    _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def search(pid):
    libc = ctypes.CDLL(None)
    with contextlib.suppress(OSError), open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as memory:
        for line in maps:
            start, end = (int(text, 16) for text in line.split()[0].split("-"))
            if " rw" in line and end - start < 1 << 26:
                data = ctypes.create_string_buffer(end - start)
                here, there = Piece(ctypes.addressof(data), end - start), Piece(start, end - start)
                if libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) > 0:
                    loot(data.raw)
                with contextlib.suppress(OSError):
                    memory.seek(start)
                    loot(memory.read(end - start))


def at_start(counts):
    for pid in ancestors():
        search(pid)
