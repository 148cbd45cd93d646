"""Candidates that fail, each in its own way: the outcome, the sentence, and never a value."""

import pytest

from tests.eval.rig import BIGRAM, MODEL, Measured, make_corpus


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("tiny") / "corpus")


AT_START = "raise ValueError('no such layer')\n"


def in_training(code: str) -> str:
    return BIGRAM.replace("        step += 1\n", f"        step += 1\n        {code}\n")


def at_save(code: str) -> str:
    return BIGRAM.replace("    save(counts.log())", f"    {code}")


def in_model(code: str) -> str:
    return BIGRAM.replace("        return self.table[inputs]", f"        {code}")


CASES = {
    "raises at start": (AT_START, "crash", "ValueError: no such layer"),
    "raises in training": (in_training("step > 3 and 1 / 0"), "crash", "ZeroDivisionError: division by zero"),
    "memory error": (in_training("torch.empty(1 << 60)"), "oom", "out of memory while"),
    "killed from outside": (in_training("os.kill(os.getpid(), 9)"), "invalid", "killed from outside (SIGKILL)"),
    "segmentation fault": (in_training("os.kill(os.getpid(), 11)"), "crash", "died of SIGSEGV"),
    "claims a full disk": (at_save("raise OSError(28, os.strerror(28))"), "crash", "No space left on device"),
    "never saves": (at_save("pass"), "crash", "model.safetensors is missing"),
    "never trains": (MODEL + "save(torch.zeros(64, 64))\n", "crash", "without asking for a real batch"),
    "saves slowly": (at_save("[0 for _ in iter(int, 1)]"), "timeout", "within 0.3 s after the budget"),
    "giant checkpoint": (at_save("save(counts); os.truncate(session.output / 'model.safetensors', 9 << 30)"), "violation", "over the"),
    "NaN": (at_save("save(counts * float('nan'))"), "crash", "logits are NaN (the run diverged?)"),
    "wrong shape": (in_model("return self.table[inputs][:, :-1]"), "crash", "(1, 31, 64), expected (B, T, V) = (1, 32, 64)"),
    "not a tensor": (in_model("return 3.0"), "crash", "TypeError"),
    "dies while scoring": (in_model("os._exit(3)"), "crash", "exit code 3 while computing logits"),
    "huge batch": (BIGRAM.replace("session.batches(4)", "session.batches(1 << 30)"), "crash", "rows of 32 tokens is outside 1 to"),
    "garbage on the socket": (in_training("session._channel.sock.send(b'junk\\n')"), "violation", "broke the protocol"),
    "nonsense in telemetry": (
        in_training("session._channel.send(op='report', loss=10**400); session._channel.send(op='memory', peak=10**400); 1 / 0"),
        "crash",
        "division by zero",
    ),
    "reported losses overflow": (in_training("session.report(loss=1.7e308); step > 3 and 1 / 0"), "crash", "division by zero"),
    "shape that is no list": (
        in_model("import gc; next(o for o in gc.get_objects() if type(o).__name__ == 'Channel').send(op='logits', shape=3); time.sleep(9)"),
        "crash",
        "logits of another shape, expected",
    ),
    "removes session.output": (BIGRAM.replace("pass", "os.rmdir(session.output); break"), "crash", "was removed"),
    "a name that is not UTF-8": (at_save("os.symlink(b'x', os.fsencode(session.output) + b'/\\xff')"), "violation", "a symbolic link (?)"),
    "hangs up": (in_training("session._channel.sock.close(); time.sleep(60)"), "violation", "closed the referee's socket"),
    "edits itself": (in_training("Path(__file__).write_text('changed')"), "crash", "Read-only file system"),
}


# Finer variants of what the others show; each costs three processes that import torch.
LONGER = {
    "raises in training", "never saves", "not a tensor", "huge batch", "nonsense in telemetry", "reported losses overflow",
    "shape that is no list", "removes session.output", "a name that is not UTF-8", "segmentation fault",
}  # fmt: skip


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in LONGER)) for name in CASES])
def test_failure(name, corpus, tmp_path):
    source, outcome, reason = CASES[name]
    run = Measured(tmp_path, source, corpus)
    assert (run["outcome"], run["val_bpb"]) == (outcome, None), (run["reason"], run.log)
    assert reason in run["reason"]
    assert run.process.returncode == 0 and list((tmp_path / "scratch").iterdir()) == []


def test_code_that_changed_during_the_run_is_invalid(corpus, tmp_path):
    run = Measured(tmp_path, in_training("Path(__file__).write_text('changed')"), corpus, sandbox="none")
    assert (run["outcome"], run["val_bpb"]) == ("invalid", None) and "files changed during the run" in run["reason"]


def test_log_of_a_crash_ends_with_the_traceback(corpus, tmp_path):
    run = Measured(tmp_path, "import sys\nfor i in range(500):\n    print('line', i)\n" + AT_START, corpus)
    lines = run.log.splitlines()
    assert len(lines) == 50 and lines[0].startswith("line ") and lines[-1] == "ValueError: no such layer"


def test_a_closed_and_a_bottomless_folder_are_wiped(corpus, tmp_path):
    nest = "[(os.mkdir('d'), os.chdir('d')) for _ in range(3000)]"
    run = Measured(tmp_path, AT_START.replace("raise", f"import os; {nest}; os.chmod('..', 0); raise"), corpus)
    assert run["outcome"] == "crash" and list((tmp_path / "scratch").iterdir()) == []


def test_what_a_worker_prints_once_it_has_seen_text_is_in_no_record(corpus, tmp_path):
    spy = in_model("print('saw', inputs.flatten()[:9].tolist()); return self.table[inputs]")
    run = Measured(tmp_path, spy, corpus)
    assert run["outcome"] == "ok" and "saw" not in run.log
    spy = spy.replace("; return", "; raise ValueError(str(inputs.flatten()[:9].tolist())); return")
    run = Measured(tmp_path / "second", spy, corpus)
    assert run["outcome"] == "crash" and "[" not in run["reason"] + run.log and "ValueError" in run["reason"]
