"""Stops the referee (SIGSTOP) while it trains on hoarded batches, and lets it go on afterwards."""

CAUGHT_BY = "clocks run on while the referee stands; sandbox: no signal reaches it"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless|timeout", "none": "timeout"}


def after_training(counts):
    more, referee = hoard(), os.getppid()
    if referee > 1:  # 1 is the sandbox's own
        with contextlib.suppress(OSError):
            os.kill(referee, signal.SIGSTOP)
            burn(3)
            for batch in more:
                learn(counts, *batch)
            save(counts)
            os.kill(referee, signal.SIGCONT)
