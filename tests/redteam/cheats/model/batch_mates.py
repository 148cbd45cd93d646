"""Normalizes over the rows of the batch: what a position says depends on who else is there."""

CAUGHT_BY = "other company in the second worker"
EXPECT = "violation"


def answer(logits, inputs):
    return logits + 0.3 * logits.mean(0, keepdim=True)
