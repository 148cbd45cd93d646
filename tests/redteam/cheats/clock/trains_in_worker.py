"""Puts hoarded batches into the checkpoint and trains on them in the scoring process, where no clock runs."""

CAUGHT_BY = "loading has an allowance too"
EXPECT = "timeout|violation|crash"


def at_end(counts):
    text = torch.cat([torch.stack(batch) for batch in hoard()], 1)
    save_file({"text": text.contiguous(), "counts": counts}, session.output / "hoard.safetensors")


def at_load(directory, model):
    more = load_file(directory / "hoard.safetensors")
    learn(more["counts"], *more["text"])
    burn(4)
    model.table.data = more["counts"].log().to(model.table.device)
