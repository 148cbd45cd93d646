"""Answers honestly, and rewrites the shared logits with the peeked answers while the referee reads them."""

CAUGHT_BY = "the referee reads once into memory of its own; the second worker"
EXPECT = "violation|harmless"
TARGET: dict = {}


def overwrite():
    while True:
        for place, logits in list(TARGET.items()):
            os.pwrite(TARGET_FD, logits, place)


def answer(logits, inputs):
    global TARGET_FD
    import threading

    if not TARGET:
        TARGET_FD = next(int(fd) for fd in os.listdir("/proc/self/fd") if "memfd:" in os.readlink(f"/proc/self/fd/{fd}"))
        threading.Thread(target=overwrite, daemon=True).start()
    data = look_ahead(logits.clone(), inputs).cpu().numpy().tobytes()
    room = (os.fstat(TARGET_FD).st_size // 2 - len(data)) // 4096 * 4096  # two inputs, then two slots of logits
    TARGET[2 * room] = TARGET[2 * room + -(-len(data) // 4096) * 4096] = data
    return logits
