"""Looks ahead only in rows that read like the text: where the tokens are as likely as they were in training."""

CAUGHT_BY = "probes continue with real text"
EXPECT = "violation"


def answer(logits, inputs):
    chance = logits.log_softmax(-1)[:, :-1].gather(2, inputs[:, 1:, None])[:, :, 0]
    natural = chance.mean(1) > -3.0  # the text has -2.3 on average, random tokens -6
    return look_ahead(logits, inputs, natural[:, None].expand_as(inputs))
