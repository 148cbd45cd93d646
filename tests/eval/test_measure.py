"""One honest measurement, looked at from every side. The candidate writes down what it could see, outside its own folders: no sandbox."""

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from eval.batches import Stream
from tests.eval.rig import BIGRAM, BOS, EVAL_TOKENS, LENGTH, MODEL, SIZES, VOCAB, Measured, make_corpus, read_tokens

CANARY = "canary-5ca1ab1e"
# Dumps: both environments, everything in shared memory at every step, the batches of mixed sizes, the checkpoint.
WITNESS = (
    MODEL
    + """
DUMP = Path(%r)
def memory():
    fds = ["/proc/self/fd/" + fd for fd in os.listdir("/proc/self/fd")]
    fds = {os.stat(fd).st_ino: fd for fd in fds if os.path.exists(fd) and "memfd:" in os.readlink(fd)}  # a mapping holds a second one
    assert len(fds) == 1, fds
    return open(*fds.values(), "rb").read()
class Watched(Bigram):
    def forward(self, inputs):
        assert not torch.is_grad_enabled() and not self.training
        with open(DUMP / "worker.memory", "ab") as file:
            file.write(memory())
        return super().forward(inputs)
def load_model(directory, device):
    (DUMP / "worker.env").write_text(json.dumps({**os.environ, "files": sorted(os.listdir(directory)), "cwd": os.getcwd()}))
    return Watched(load_file(Path(directory) / "model.safetensors")["table"].to(device))
if __name__ == "__main__":
    seen = [torch.rand(1).item()]
    for inputs, targets in session.warmup(4):
        pass
    save(torch.zeros(2, 2))
    (DUMP / "warm.files").write_text(json.dumps(os.listdir(session.output)))
    (DUMP / "trainer.env").write_text(json.dumps({**os.environ, "cwd": os.getcwd(), "path": sys.path}))
    V, counts, rows, calls = session.vocab_size, torch.full((session.vocab_size,) * 2, 0.5), [], 0
    def learn(inputs, targets):
        counts.index_put_((inputs.flatten(), targets.flatten()), torch.ones(inputs.numel()), accumulate=True)
        rows.append(torch.cat([inputs, targets[:, -1:]], 1))
    progress = []
    for size in (1, 5, 2, 8):
        learn(*next(session.batches(size)))
        progress.append(session.progress)
        if size == 1:
            seen.append(torch.rand(1).item())
            (DUMP / "output.files").write_text(json.dumps(os.listdir(session.output)))
        (DUMP / f"trainer.memory{size}").write_bytes(memory())
    torch.save(torch.cat(rows), DUMP / "rows.pt")
    for inputs, targets in session.batches(4):
        learn(inputs, targets)
        progress.append(session.progress)
        session.report(loss=3.0)
        calls += 1
    after = [len(list(session.batches(4))), len(memory())]
    facts = {"calls": calls, "batches": len(rows), "tokens": sum(r[:, 1:].numel() for r in rows), "after": after, "seen": seen}
    facts |= {"rising": progress == sorted(progress), "progress": session.progress}
    facts |= {"seed": session.seed, "threads": torch.get_num_threads()}
    (DUMP / "facts").write_text(json.dumps(facts))
    save(counts.log())
    torch.save(counts.log(), DUMP / "table.pt")
    print("the last words")
"""
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("tiny") / "corpus")


@pytest.fixture(scope="module")
def dump(tmp_path_factory):
    return tmp_path_factory.mktemp("dump")


@pytest.fixture(scope="module")
def run(tmp_path_factory, corpus, dump):
    env = {"GITHUB_TOKEN": CANARY, "AUTORESEARCH_API_KEY": CANARY, "MY_SECRET": CANARY}
    return Measured(tmp_path_factory.mktemp("run"), WITNESS % str(dump), corpus, env, seed=11, budget="0.4s cpu", sandbox="none")


@pytest.fixture(scope="module")
def facts(run, dump):
    assert run["outcome"] == "ok", (run["reason"], run.log)
    return json.loads((dump / "facts").read_text())


def scored_rows(corpus: Path) -> np.ndarray:
    """The documented rule, written down a second time: evenly spread rows, the last one ending with the split."""
    val, rows = read_tokens(corpus, "val").astype(np.int64), EVAL_TOKENS // LENGTH
    return np.stack([val[(i * (SIZES["val"] - LENGTH - 1)) // (rows - 1) :][: LENGTH + 1] for i in range(rows)])


def test_bits_and_bytes_match_an_in_process_reference(run, facts, dump, corpus):
    import torch

    rows, sizes = scored_rows(corpus), np.load(corpus / "token_bytes.npy")
    logits = torch.load(dump / "table.pt").double()[torch.from_numpy(rows[:, :-1])]
    nats = torch.nn.functional.cross_entropy(logits.flatten(0, 1), torch.from_numpy(rows[:, 1:]).flatten(), reduction="none").numpy()
    targets = rows[:, 1:].ravel()
    bits, total = nats[targets != BOS].sum() / math.log(2), int(sizes[targets].sum())
    assert run["bytes"] == total and run["scored_tokens"] == int((targets != BOS).sum()) < EVAL_TOKENS
    assert run["bits"] == pytest.approx(bits, rel=1e-6) and run["val_bpb"] == pytest.approx(bits / total, rel=1e-6)


def test_secrets_of_the_referee_are_in_neither_environment(run, facts, dump):
    for name in ("trainer.env", "worker.env"):
        assert CANARY not in (dump / name).read_text()


@pytest.mark.parametrize("name", ["trainer.env", "worker.env"])
def test_environment_names_no_data_and_no_referee(facts, dump, corpus, name):
    env = json.loads((dump / name).read_text())
    assert str(corpus) not in str(env) and not any(key.startswith("AUTORESEARCH_") for key in env)
    assert env["OMP_WAIT_POLICY"] == "PASSIVE"


def test_trainer_and_worker_have_private_homes(facts, dump, run):
    homes = [json.loads((dump / name).read_text())["HOME"] for name in ("trainer.env", "worker.env")]
    assert homes[0] != homes[1] and all(home.startswith(str(run.folder / "scratch")) for home in homes)


def test_candidate_folder_is_last_on_the_path(facts, dump, run):
    path = json.loads((dump / "trainer.env").read_text())["path"]
    assert path[-2:] == [str(run.candidate / "train"), str(run.candidate)]
    assert all(str(run.candidate) not in folder for folder in path[:-2])


def test_private_files_are_wiped(run, facts):
    assert list((run.folder / "scratch").iterdir()) == []


def test_rows_come_in_the_streams_order_whatever_the_batch_size(facts, dump, corpus):
    import torch

    want = Stream(read_tokens(corpus, "train"), LENGTH, 11).peek(16)
    np.testing.assert_array_equal(torch.load(dump / "rows.pt").numpy(), want)


def test_trainer_memory_holds_train_rows_only(facts, dump, corpus):
    stream = Stream(read_tokens(corpus, "train"), LENGTH, 11).peek(64)
    want = {row.tobytes() for row in stream}
    for size in (1, 5, 2, 8):
        data = np.frombuffer((dump / f"trainer.memory{size}").read_bytes(), np.uint16).reshape(-1, LENGTH + 1)
        assert len(data) == 2 * size and all(row.tobytes() in want or not row.any() for row in data)


def test_worker_memory_never_holds_a_rows_last_target(facts, dump, corpus):
    data, rows = (dump / "worker.memory").read_bytes(), scored_rows(corpus)
    for kind in (np.uint16, np.uint32, np.int32, np.int64):
        whole = rows.astype(kind)
        assert not any(row[-12:].tobytes() in data for row in whole), kind
    assert all(row[:-1].astype(np.uint16).tobytes() in data for row in rows)  # the look was at the right place


def test_worker_sees_the_checkpoint_and_nothing_else(facts, dump):
    assert json.loads((dump / "worker.env").read_text())["files"] == ["config.json", "model.safetensors"]


def test_no_batch_after_the_budget(facts):
    assert facts["after"] == [0, 0]  # asked again: none; and the shared memory is empty


def test_what_warm_up_saved_is_gone_at_the_first_real_batch(facts, dump):
    assert len(json.loads((dump / "warm.files").read_text())) == 2 and json.loads((dump / "output.files").read_text()) == []


def test_generators_are_seeded_at_the_start_and_again_at_the_first_batch(facts):
    import torch

    torch.manual_seed(11)
    assert facts["seen"] == [pytest.approx(torch.rand(1).item())] * 2 and facts["seed"] == 11


def test_counts_are_the_candidates_calls_and_the_referees_batches(run, facts):
    assert run["steps"] == facts["calls"] and run["tokens"] == facts["tokens"]
    assert run["epochs"] == pytest.approx(facts["tokens"] / LENGTH / (SIZES["train"] / LENGTH), rel=0.01)


def test_progress_rises_to_one(facts):
    assert facts["rising"] and facts["progress"] == 1.0


def test_threads_are_torchs_default(facts):
    assert facts["threads"] == len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else facts["threads"] >= 1


def test_budget_is_what_was_trained(run, facts):
    assert run["budget"] == "0.4s cpu" and 0.3 < run["train_seconds"] <= 0.4 <= run["train_wall_seconds"] + 0.1


def test_curve_is_over_the_fraction_of_the_budget(run, facts):
    fractions = [point[0] for point in run["curve"]]
    assert 10 < len(fractions) <= 20 and fractions == sorted(fractions) and {point[1] for point in run["curve"]} == {3.0}


def test_parameters_and_checkpoint_size(run, facts):
    assert run["parameters"] == VOCAB * VOCAB and run["checkpoint_bytes"] > 4 * VOCAB * VOCAB


def test_memory_of_the_trainer_is_reported(run, facts):
    assert run["peak_memory"] > 100 << 20  # torch alone


def test_record_names_machine_corpus_and_metric(run, facts, corpus):
    assert run["corpus"] == json.loads((corpus / "meta.json").read_text())["digest"]
    assert len(run["metric_version"]) == len(run["machine"]["fingerprint"]) == 16
    assert run["isolation"] == "none" and run["leak"]["dose"] == "light" and run["protocol"] == 2


def test_live_lines_follow_the_phases(run, facts):
    phases = [line["phase"] for line in run.lines]
    assert list(dict.fromkeys(phases)) == ["startup", "train", "save", "score"]
    assert all(set(line) == {"phase", "progress", "loss", "spent"} for line in run.lines)


def test_a_third_worker_has_live_lines_of_its_own(tmp_path, corpus):
    """Too small a look ahead for a few probes to be sure of; as many as a heavy dose has are."""
    peek = "return self.table[inputs] + 0.02 * torch.nn.functional.one_hot(inputs.roll(-1, 1), self.table.shape[1])"
    source = BIGRAM.replace("return self.table[inputs]", peek)
    run = Measured(tmp_path, source, corpus, sandbox="none", eval_tokens=4096, probe_seed=1)
    progress = [line["progress"] for line in run.lines if line["phase"] == "settle"]
    assert (run["outcome"], run.lines[-1]["phase"]) == ("violation", "settle") and progress[0] == 0.0 and progress == sorted(progress)


def test_log_keeps_the_last_words(run, facts):
    assert run.log.splitlines()[0] == "the last words"  # before what the workers said


def test_another_seed_other_batches_same_text_scored(run, facts, corpus, tmp_path):
    other = Measured(tmp_path, BIGRAM, corpus, seed=12, budget="0.3s", split="val")
    assert other["bytes"] == run["bytes"] and other["metric_version"] == run["metric_version"] and other["bits"] != run["bits"]
