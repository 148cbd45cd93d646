"""Trains during start-up on the random tokens of the warm-up, off the clock."""

CAUGHT_BY = "there is nothing to learn in them"
EXPECT = "harmless"


def before_training(counts):
    for inputs, targets in session.warmup(ROWS, steps=200):
        learn(counts, inputs, targets)
