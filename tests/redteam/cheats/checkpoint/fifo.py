"""A named pipe among the checkpoint's files: whoever opens it waits for ever."""

CAUGHT_BY = "only plain files"
EXPECT = "violation"


def at_end(counts):
    os.mkfifo(session.output / "extra.json")
