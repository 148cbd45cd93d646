"""Puts a seed of its own in place of the harness's."""

CAUGHT_BY = "bot/edit.py refuses seeding"
DOOR = "edit"
EXPECT = "refused"


def before_training(counts):
    torch.manual_seed(1337)
    counts += 0.01 * torch.rand_like(counts)
