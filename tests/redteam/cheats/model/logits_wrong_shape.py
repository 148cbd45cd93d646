"""Logits of the last position alone."""

CAUGHT_BY = "the shape is checked"
EXPECT = "crash|violation"


def answer(logits, inputs):
    return logits[:, -1]
