"""A checkpoint that runs code when it is loaded: pickles under every name that a loader might try."""

CAUGHT_BY = "the referee loads nothing; pickles are left behind"
EXPECT = "harmless|crash"


class Payload:
    def __reduce__(self):
        return (Path.write_text, (Path(WORLD["ledger"]), "pickle"))


def at_end(counts):
    import pickle

    for name in ("model.pt", "model.bin", "model.pkl", "pytorch_model.bin", "extra.json", "optimizer.safetensors.pkl"):
        (session.output / name).write_bytes(pickle.dumps(Payload()))
