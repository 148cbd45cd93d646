"""Looks ahead at one position in a hundred, chosen by what stands before it."""

CAUGHT_BY = "the second worker, cutting where the gain is"
EXPECT = "violation"
TIER = "fast"


def answer(logits, inputs):
    return look_ahead(logits, inputs, prefixes(inputs) % 100 == 7)
