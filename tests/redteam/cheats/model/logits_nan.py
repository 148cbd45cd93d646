"""NaN instead of logits, which a careless comparison takes for a win."""

CAUGHT_BY = "not finite"
EXPECT = "crash|violation"


def answer(logits, inputs):
    return logits * float("nan")
