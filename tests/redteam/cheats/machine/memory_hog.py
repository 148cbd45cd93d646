"""Takes all the memory that it can get (bounded here by a limit of 8 GB on its address space)."""

CAUGHT_BY = "its end is read from the log and from the kernel's counters"
EXPECT = "oom"
MEMORY = 8  # GB


def after_training(counts):
    kept = []
    for _ in range(12):
        kept.append(torch.empty(1 << 28))
