"""Learns from the text that it is scored on, batch after batch."""

CAUGHT_BY = "the second worker has learned from another order"
EXPECT = "violation"
TIER = "fast"
COUNTS = []


def answer(logits, inputs):
    if not COUNTS:
        COUNTS.append(torch.full((logits.shape[-1],) * 2, 0.5))
    learn(COUNTS[0], inputs[:, :-1], inputs[:, 1:])
    return COUNTS[0].log().to(logits.device)[inputs]
