"""Returns 'probabilities' that add up to far more than one."""

CAUGHT_BY = "the referee normalizes"
EXPECT = "harmless"


def answer(logits, inputs):
    return logits + 50.0
