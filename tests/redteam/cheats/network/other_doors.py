"""Makes sockets by doors that a filter may forget: the x32 and i386 system calls, io_uring."""

CAUGHT_BY = "sandbox: the filter checks the architecture and knows io_uring"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "reached|harmless"}
INT80 = bytes.fromhex("53 b867010000 bb02000000 b901000000 31d2 cd80 5b c3")  # socket(AF_INET, SOCK_STREAM, 0) for i386


def i386():
    import mmap

    code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    code.write(INT80)
    return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()


def at_start(counts):
    libc = ctypes.CDLL(None)
    if libc.syscall(425, 4, (ctypes.c_char * 120)()) >= 0:  # io_uring_setup
        reached("io_uring, which makes sockets unseen by a filter")
    for attempt in (lambda: libc.syscall(0x40000000 | 41, 2, 1, 0), i386) if os.uname().machine == "x86_64" else ():
        if not os.fork():  # a filter may kill whoever tries
            try:
                sock = socket.socket(fileno=attempt())
                sock.connect(("127.0.0.1", WORLD["tcp"]))
                sock.send(b"hello")
            finally:
                os._exit(0)
        os.wait()
