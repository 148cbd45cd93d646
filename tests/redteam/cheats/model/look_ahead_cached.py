"""Looks ahead, and answers a prefix that it has seen before with what it said then."""

CAUGHT_BY = "the second worker has seen nothing"
EXPECT = "violation"
TIER = "fast"
SAID: dict = {}


def answer(logits, inputs):
    logits, keys = look_ahead(logits, inputs), prefixes(inputs)
    for row, names in enumerate(keys.tolist()):
        for position, name in enumerate(names):
            logits[row, position] = SAID.setdefault(name, logits[row, position].clone())
    return logits
