"""A candidate under the profiler: what the referee takes from it, and that a step is an optimizer's."""

import gzip
import json
import os
import subprocess

import pytest

from eval import profiling
from eval.errors import Failed
from tests.eval.rig import arguments, environment, make_candidate, make_corpus

ACCUMULATING = """
import torch
from eval import session

if __name__ == "__main__":
    table = torch.nn.Parameter(torch.zeros(session.vocab_size, session.vocab_size))
    optimizer = torch.optim.SGD([table], lr=0.1)
    for count, (inputs, targets) in enumerate(session.batches(2), 1):
        torch.nn.functional.cross_entropy(table[inputs].flatten(0, 1), targets.flatten()).backward()
        if count % 3 == 0:
            session.report(loss=1.0)
            optimizer.step()
            optimizer.zero_grad()
"""


def refusal(folder, name: str = profiling.TRACE) -> str:
    with pytest.raises(Failed) as caught:
        profiling.plain_file(folder, name, 100)
    return f"{caught.value.outcome}: {caught.value}"


def test_only_a_plain_file_of_a_sensible_size_is_taken(tmp_path):
    output, file = tmp_path / "output", tmp_path / "output" / profiling.TRACE
    output.mkdir()
    assert refusal(output).startswith("crash: the training ended before")
    file.symlink_to("/etc/passwd")
    assert refusal(output).startswith("violation")
    file.unlink()
    os.mkfifo(file)
    assert refusal(output) == f"violation: {profiling.TRACE} is no plain file"
    file.unlink()
    file.write_bytes(bytes(101))
    assert "ask for fewer steps" in refusal(output)
    file.write_bytes(bytes(100))
    assert profiling.plain_file(output, profiling.TRACE, 100) == bytes(100)
    (tmp_path / "link").symlink_to(output)
    assert refusal(tmp_path / "link").startswith("violation")


@pytest.mark.parametrize("data", [b"", b"[]", b"3", b"[" * 10**5, b"\xff"])
def test_facts_that_are_none_are_refused(data):
    with pytest.raises(Failed, match="no JSON object"):
        profiling.facts(data)


def test_of_facts_only_sensible_numbers_are_taken():
    told = b'{"steps": 3, "a": NaN, "b": Infinity, "c": "4", "d": true, "e": -1, "f": null, "g": 1e40, "h": 0.5}'
    assert profiling.facts(told) == {"steps": 3, "h": 0.5}


def profiled(tmp_path, source: str, **options):
    out = tmp_path / "result.json"
    argv = arguments(make_candidate(tmp_path / "candidate", source), make_corpus(tmp_path / "corpus"), tmp_path / "scratch", out, **options)
    argv = [word for word in argv if not word.startswith(("--budget", "--eval-tokens"))]
    argv = ["profile" if word == "measure" else word for word in argv] + [f"--trace={tmp_path / 'trace.json.gz'}"]
    done = subprocess.run(argv, env=environment(), capture_output=True, text=True, check=False)
    return done, json.loads(out.read_text()) if out.exists() else {}


def test_steps_out_of_range_are_refused(tmp_path):
    done, result = profiled(tmp_path, ACCUMULATING, steps=101)
    assert done.returncode == 2 and "--steps 101 is not between 1 and 100" in done.stderr and not result


@pytest.mark.slow
def test_a_step_is_an_optimizers_step_and_nothing_is_left_behind(tmp_path):
    done, result = profiled(tmp_path, ACCUMULATING, steps=2)
    assert result.get("outcome") == "ok", done.stderr + result.get("log_tail", "")
    assert result["facts"]["steps"] == 2 and result["facts"]["batches"] == 3 and result["facts"]["tokens"] == 3 * 2 * 32
    with gzip.open(tmp_path / "trace.json.gz") as file:
        names = [event["name"] for event in json.load(file)["traceEvents"]]
    assert sum(name.startswith("ProfilerStep#") for name in names) == 2 == sum(name.startswith("Optimizer.step#SGD") for name in names)
    assert "val_bpb" not in result and list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.slow
def test_a_candidate_that_ends_early_has_no_profile_and_a_reason(tmp_path):
    _, result = profiled(tmp_path, ACCUMULATING.replace("count % 3 == 0", "count == 5 and exit()"), steps=2)
    assert result["outcome"] == "crash" and "before enough steps" in result["reason"] and not (tmp_path / "trace.json.gz").exists()
