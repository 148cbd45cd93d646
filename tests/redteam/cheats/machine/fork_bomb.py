"""Starts two hundred processes, half of them in sessions of their own, that outlive it (bounded for your machine's sake)."""

CAUGHT_BY = "the whole process tree is killed"
EXPECT = "harmless"


def at_start(counts):
    sys.stdout.flush()
    for number in range(200):
        if not os.fork():
            if number % 2:
                os.setsid()
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(120)
            os._exit(0)
