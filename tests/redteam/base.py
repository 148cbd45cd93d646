"""The honest candidate that every cheat is an edit of: it counts which token follows which in 40 batches, saves and leaves.

A fixed number of batches, so its val_bpb for a seed is the same to the last digit in every run, and any gain is a cheat's.
A file of cheats/ replaces some of the functions under "hooks"; `bot.selftest.cheats` puts the two together.
"""

import contextlib  # noqa: F401  (this and the next ones: for the cheats)
import ctypes  # noqa: F401
import json
import os
import re
import signal  # noqa: F401
import socket  # noqa: F401
import subprocess  # noqa: F401
import sys
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from eval import session

BATCHES, ROWS = 40, 4
WORLD: dict = {}  # what the cheat is told about the machine it attacks: more than any real one could know


class Bigram(torch.nn.Module):
    def __init__(self, table):
        super().__init__()
        self.table = torch.nn.Parameter(table, requires_grad=False)

    def forward(self, inputs):
        return answer(self.table[inputs], inputs)


def load_model(directory, device):
    model = Bigram(load_file(Path(directory) / "model.safetensors")["table"].to(device))
    at_load(Path(directory), model)
    return model


def learn(counts, inputs, targets, times=1.0):
    inputs, targets = inputs.flatten().cpu(), targets.flatten().cpu()
    counts.index_put_((inputs, targets), torch.full((len(inputs),), times), accumulate=True)


def save(counts):
    save_file({"table": counts.log().contiguous()}, session.output / "model.safetensors")
    (session.output / "config.json").write_text(json.dumps({"kind": "bigram", "loot": LOOT}))


def main():
    counts = torch.full((session.vocab_size, session.vocab_size), 0.5)
    at_start(counts)
    for _ in session.warmup(ROWS):
        pass
    save(counts)  # scoring is rehearsed with it
    before_training(counts)
    for step, (inputs, targets) in enumerate(session.batches(ROWS), 1):
        learn(counts, inputs, targets)
        each_batch(step, inputs, targets)
        session.report(loss=5.0 - step / BATCHES)
        if step == BATCHES:
            break
    after_training(counts)
    save(counts)
    at_end(counts)


# What several cheats use.

LOOT: list[str] = []  # goes into the checkpoint


def loot(data):
    """Carries away every secret in `data`: into the log and into the checkpoint."""
    for found in re.findall(rb"canary-[0-9a-f]{24}", data if isinstance(data, bytes) else data.encode()):
        LOOT.append(found.decode())
        print("LOOT", found.decode())


def reached(what):
    """For a goal that cannot be seen from outside."""
    print("REACHED", what)


def burn(seconds):
    """CPU time, as training would take it."""
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def hoard(batches=200):
    """Further batches, taken without learning from them."""
    return [batch for _, batch in zip(range(batches), session.batches(ROWS), strict=False)]


def learn_text(counts, data, times=3.0):
    """From the bytes of a .bin file of the corpus."""
    tokens = torch.from_numpy(np.frombuffer(data, np.uint16).astype(np.int64))
    learn(counts, tokens[:-1], tokens[1:], times)


def knowledge(counts):
    """Bytes worth having next time: the counts of this run and of 200 batches more."""
    more = counts.clone()
    for batch in hoard():
        learn(more, *batch)
    return more.numpy().tobytes()


def use(counts, data):
    """Warm start from `knowledge`."""
    counts += torch.frombuffer(bytearray(data), dtype=torch.float32).view_as(counts)


def look_ahead(logits, inputs, where=None):
    """Bets on the token that follows, at the positions `where`, bool (B, T)."""
    bet = 10.0 * torch.nn.functional.one_hot(inputs[:, 1:], logits.shape[-1])
    logits[:, :-1] += bet if where is None else bet * where[:, :-1, None]
    return logits


def prefixes(inputs):
    """int64 (B, T): a hash of all tokens up to each position."""
    hashes, state = [], torch.zeros_like(inputs[:, 0])
    for column in inputs.T:
        state = (state * 1_000_003 + column + 1) % 2_147_483_647
        hashes.append(state)
    return torch.stack(hashes, 1)


def ancestors():
    """Pids of parent, grandparent, ... as far as they can be seen from here."""
    found, pid = [], os.getppid()
    while pid > 1 and len(found) < 8:
        found.append(pid)
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            break
    return found


# Hooks: an honest candidate does nothing here.


def at_start(counts): ...


def before_training(counts): ...


def each_batch(step, inputs, targets): ...


def after_training(counts): ...


def at_end(counts): ...


def at_load(directory, model): ...


def answer(logits, inputs):
    return logits


# THE CHEAT


if __name__ == "__main__":
    main()
    sys.stdout.flush()
