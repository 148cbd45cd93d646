"""Trains in short-lived children whose end nobody waits for, so that their CPU time is on no account."""

CAUGHT_BY = "CPU time is counted over the whole tree, the dead included"
EXPECT = "timeout"


def after_training(counts):
    more = hoard()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in range(30):
        if not os.fork():
            os.setsid()
            burn(0.15)
            os._exit(0)
        time.sleep(0.16)
    for batch in more:
        learn(counts, *batch)
