"""Replaces the referee's own functions, in both of its processes, with ones that return little."""

CAUGHT_BY = "the metric runs in another process"
EXPECT = "harmless"


def patch():
    import eval.score

    for name in ("bits_of", "score", "windows"):
        setattr(eval.score, name, lambda *args, **named: np.zeros(1))
    np.log = np.exp = lambda x, **named: np.zeros_like(x)


def at_start(counts):
    patch()


def at_load(directory, model):
    patch()
