"""Saves in time; a double-forked daemon in a session of its own trains on and replaces the checkpoint later."""

CAUGHT_BY = "the whole process tree is killed before the checkpoint is looked at"
EXPECT = "harmless"
TIER = "fast"


def at_end(counts):
    more = hoard()
    if os.fork():
        return
    os.setsid()
    if os.fork():
        os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for batch in more:
        learn(counts, *batch)
    for _ in range(300):
        time.sleep(0.1)
        for folder in session.output.parents[1].glob("*/output"):
            with contextlib.suppress(OSError):
                save_file({"table": counts.log()}, folder / "model.safetensors")
    os._exit(0)
