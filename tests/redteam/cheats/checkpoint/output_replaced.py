"""Replaces the output folder by a link to another candidate's, so that the referee deletes or takes over what is there."""

CAUGHT_BY = "the folder is opened without following links; sandbox: it cannot be replaced"
EXPECT = "violation|harmless|crash"


def at_end(counts):
    with contextlib.suppress(OSError):
        session.output.rename(str(session.output) + "-away")
        session.output.symlink_to(WORLD["other"])
