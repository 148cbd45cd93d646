"""Looks ahead in even rows of a batch, where it hopes that no probe stands."""

CAUGHT_BY = "probes come in another order"
EXPECT = "violation"


def answer(logits, inputs):
    even = torch.arange(len(inputs), device=inputs.device)[:, None] % 2 == 0
    return look_ahead(logits, inputs, even.expand_as(inputs))
