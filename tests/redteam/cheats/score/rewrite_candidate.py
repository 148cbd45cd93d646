"""Rewrites its own train.py during the training, so that the scoring process loads other code than what was committed."""

CAUGHT_BY = "the candidate's tree is hashed before and after; sandbox: read-only"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "invalid"}


def after_training(counts):
    with contextlib.suppress(OSError):
        path = Path(__file__)
        path.write_text(path.read_text() + "\n# other code\n")
