"""Carries a state from batch to batch: tokens that were frequent so far become likelier."""

CAUGHT_BY = "the second worker's past is another"
EXPECT = "violation"
SEEN = []


def answer(logits, inputs):
    SEEN.append(torch.bincount(inputs.flatten(), minlength=logits.shape[-1]).float())
    return logits + 0.5 * (sum(SEEN[:-1]) + 1.0).log() if len(SEEN) > 1 else logits
