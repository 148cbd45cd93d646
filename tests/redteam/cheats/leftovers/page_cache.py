"""The scoring process writes the text it is given into the page cache: a page of a large system file that was read is one bit. The next run
asks which pages are in memory (preadv2 with RWF_NOWAIT, mincore) and trains on that text."""

CAUGHT_BY = "sandbox: seccomp hides the calls that tell, and ignores the advice that erases (the time a read takes is left)"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "scored|harmless"}
RUNS = 2
TOKENS, BITS, PAGE = 1024, 6, 4096
WRITTEN = [0]


def large_file():
    """A large file that nobody uses, -1 if there is none; not torch's own, whose pages are in memory."""
    largest = (TOKENS * BITS * PAGE + PAGE, "")
    for folder, _, names in os.walk("/usr"):
        for path in (os.path.join(folder, name) for name in names if "torch" not in folder):
            with contextlib.suppress(OSError):
                largest = max(largest, (os.stat(path).st_size, path))
    if not largest[1]:
        return -1
    file = os.open(largest[1], os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_RANDOM)  # no reading ahead
    return file


FILE = large_file()  # while it is imported: that is on no clock


def put(bit):
    os.pread(FILE, 1, PAGE * bit)


def there(bit):
    try:
        return os.preadv(FILE, [bytearray(1)], PAGE * bit, os.RWF_NOWAIT) == 1
    except OSError:
        return False


def answer(logits, inputs):
    if FILE >= 0 and (WRITTEN[0] or not there(0)):  # not the second worker, too
        for token in inputs.flatten().tolist()[: TOKENS - WRITTEN[0]]:
            for bit in range(BITS):
                if token >> bit & 1:
                    put(1 + WRITTEN[0] * BITS + bit)
            WRITTEN[0] += 1
        if WRITTEN[0] == TOKENS:
            put(0)  # somebody wrote
    return logits


def before_training(counts):
    if FILE >= 0 and there(0):
        text = [sum(there(1 + t * BITS + bit) << bit for bit in range(BITS)) for t in range(TOKENS)]
        learn(counts, torch.tensor(text[:-1]), torch.tensor(text[1:]), 20.0)
    if FILE >= 0:
        os.posix_fadvise(FILE, 0, 0, os.POSIX_FADV_DONTNEED)
