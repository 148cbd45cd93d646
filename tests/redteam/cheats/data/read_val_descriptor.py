"""Looks for the validation file among the open files and the mapped memory of the referee (/proc/PID/fd, /proc/PID/mem)."""

CAUGHT_BY = "the referee is not dumpable: /proc keeps its files and memory closed (to everyone but root)"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "harmless|scored"}  # scored by root alone


def after_training(counts):
    for pid in ancestors():
        with contextlib.suppress(OSError):
            for fd in os.listdir(f"/proc/{pid}/fd"):
                if os.readlink(f"/proc/{pid}/fd/{fd}").endswith("val.bin"):
                    return learn_text(counts, Path(f"/proc/{pid}/fd/{fd}").read_bytes())
        with contextlib.suppress(OSError), open(f"/proc/{pid}/mem", "rb") as memory:
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                if line.endswith("val.bin"):
                    start, end = (int(text, 16) for text in line.split()[0].split("-"))
                    memory.seek(start)
                    return learn_text(counts, memory.read(end - start))
