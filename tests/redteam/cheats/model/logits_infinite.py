"""Infinite logits: minus infinity but for the expected token, where the loss becomes NaN or zero."""

CAUGHT_BY = "not finite"
EXPECT = "crash|violation"


def answer(logits, inputs):
    return torch.where(logits >= logits.amax(-1, keepdim=True), logits, -torch.inf)
