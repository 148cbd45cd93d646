"""Stops every clock of its process and trains on through the budget."""

CAUGHT_BY = "the clock is the referee's"
EXPECT = "timeout"
TIER = "fast"


def after_training(counts):
    more, work, now = hoard(), burn, time.time()
    for name in ("time", "monotonic", "perf_counter", "process_time"):
        setattr(time, name, lambda now=now: now)
    time.process_time = lambda: os.times().user + os.times().system  # for burn alone
    work(3)
    for batch in more:
        learn(counts, *batch)
