"""Kills itself from a child, as if someone outside had done it: an invalid run would be measured again, for free."""

CAUGHT_BY = "no outcome is a score"
EXPECT = "crash|invalid|violation"


def after_training(counts):
    me = os.getpid()
    if not os.fork():
        os.kill(me, signal.SIGKILL)
        os._exit(0)
    time.sleep(5)
