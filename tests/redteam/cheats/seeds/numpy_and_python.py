"""Seeds the generators of numpy and Python, which initialize just as well."""

CAUGHT_BY = "bot/edit.py refuses seeding"
DOOR = "edit"
EXPECT = "refused"


def before_training(counts):
    counts += 0.01 * torch.from_numpy(np.random.default_rng(42).random(counts.shape)).float()
