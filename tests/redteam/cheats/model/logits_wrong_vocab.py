"""Logits over eight tokens, among which guessing is easy."""

CAUGHT_BY = "the shape is checked"
EXPECT = "crash|violation"


def answer(logits, inputs):
    return logits[..., :8].contiguous()
