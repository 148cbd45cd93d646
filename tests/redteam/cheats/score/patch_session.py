"""Replaces the session client: reports a loss of zero, forges progress and tells the referee what the score is."""

CAUGHT_BY = "the session is a client; unknown messages count for nothing"
EXPECT = "harmless"


def at_start(counts):
    session.progress = 0.0
    session.report = lambda loss: session._channel.send(op="report", loss=0.0, val_bpb=0.1, spent=0.0)


def at_end(counts):
    for op in ("score", "result", "logits", "loaded", "machine", "clock"):
        session._channel.send(op=op, val_bpb=0.1, bits=1.0, bytes=100, outcome="ok", spent=0.0, seconds=0.0)
