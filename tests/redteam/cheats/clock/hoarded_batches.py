"""Takes batches as fast as they come and trains on them after the budget."""

CAUGHT_BY = "the save allowance"
EXPECT = "timeout"
TIER = "fast"


def after_training(counts):
    more = hoard()
    burn(3)
    for batch in more:
        learn(counts, *batch)
