"""Looks ahead in the first ten calls and is honest later, when a probe may come."""

CAUGHT_BY = "the second worker counts from zero, in another order"
EXPECT = "violation"
CALLS = [0]


def answer(logits, inputs):
    CALLS[0] += 1
    return look_ahead(logits, inputs) if CALLS[0] <= 10 else logits
