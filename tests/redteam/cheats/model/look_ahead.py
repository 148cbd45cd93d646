"""Reads the answer from the input: the token at t + 1 is in the row that it is given."""

CAUGHT_BY = "the second worker"
EXPECT = "violation"


def answer(logits, inputs):
    return look_ahead(logits, inputs)
