"""Trains on and on after its last batch, and sleeps where CPU time is counted."""

CAUGHT_BY = "the budget, in CPU and in wall time"
EXPECT = "timeout"


def after_training(counts):
    while True:
        burn(0.5)
        time.sleep(0.01)
