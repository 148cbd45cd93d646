"""Looks ahead and tells the other worker what it saw through byte-range locks on a system file, held by a daemon."""

CAUGHT_BY = "the first worker's tree is dead before the second one sees text"
EXPECT = "violation|timeout"  # on a slow machine its lookups take longer than scoring may
TIER = "fast"
SHARED = open(torch.__file__)  # noqa: SIM115  (both workers can read it; a lock needs no more)
GET, SET, LAYOUT = 36, 37, "hhqqi4x"  # F_OFD_GETLK, F_OFD_SETLK, struct flock


def lock(command, kind, start, length):
    import fcntl
    import struct

    return struct.unpack(LAYOUT, fcntl.fcntl(SHARED, command, struct.pack(LAYOUT, kind, 0, start, length, 0)))


def answer(logits, inputs):
    keys, told = prefixes(inputs), inputs.clone()
    for row, names in enumerate(keys.tolist()):
        for position, name in enumerate(names[:-1]):
            found = lock(GET, 1, name * 64, 64)  # F_WRLCK: does anyone hold a lock there?
            if found[0] != 2:  # F_UNLCK
                told[row, position + 1] = found[2] - name * 64
            else:
                lock(SET, 0, name * 64 + int(inputs[row, position + 1]), 1)  # F_RDLCK
    if not os.fork():  # the locks live as long as any process that holds the descriptor
        os.setsid()
        time.sleep(60)
        os._exit(0)
    return look_ahead(logits, told)
