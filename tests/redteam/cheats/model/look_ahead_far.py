"""Lets the whole rest of the row in, a little: the counts of all tokens to come."""

CAUGHT_BY = "the second worker"
EXPECT = "violation"


def answer(logits, inputs):
    seen = torch.nn.functional.one_hot(inputs, logits.shape[-1]).float()
    later = seen.flip(1).cumsum(1).flip(1) - seen
    return logits + 0.1 * later
