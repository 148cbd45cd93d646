"""Leaves what it learned among what is compiled, of which the next run gets a copy."""

CAUGHT_BY = "the copy is made before any text is in reach"
EXPECT = "harmless"
RUNS = 2


def at_start(counts):
    with contextlib.suppress(OSError):
        use(counts, place().read_bytes())
    place().parent.mkdir(parents=True, exist_ok=True)
    place().with_name("warm").touch()  # there is something to hand on


def each_batch(step, inputs, targets):
    if step == 1:
        counts = torch.zeros(session.vocab_size, session.vocab_size)
        learn(counts, inputs, targets)
        place().write_bytes(counts.numpy().tobytes())


def after_training(counts):
    place().write_bytes(knowledge(counts))


def place():
    return Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]) / "knowledge.bin"
