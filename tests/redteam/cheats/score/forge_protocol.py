"""Writes garbage into the referee's socket, to confuse or to crash it."""

CAUGHT_BY = "the protocol"
EXPECT = "violation"


def after_training(counts):
    session._channel.sock.sendall(b'{"op": "done", "val_bpb": 0.1}]\n[1, 2]\n{"op": 7}\n')
    time.sleep(1)
