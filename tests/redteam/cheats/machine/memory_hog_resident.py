"""Fills memory during start-up, page by page, until the referee steps in: only with --full, on a machine that has nothing else to do."""

CAUGHT_BY = "a limit below the machine's memory"
EXPECT = "oom"
TIER = "full"


def at_start(counts):
    kept = []
    while True:
        kept.append(torch.ones(1 << 26))
        time.sleep(0.01)
