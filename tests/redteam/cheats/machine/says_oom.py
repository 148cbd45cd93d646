"""Prints what an out-of-memory error looks like and ends, to be taken for a victim."""

CAUGHT_BY = "no outcome is a score; the text is only a hint"
EXPECT = "oom|crash"


def after_training(counts):
    print("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1 TiB")
    sys.exit(3)
