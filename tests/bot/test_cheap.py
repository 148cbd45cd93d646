"""Checks before the device: each refuses its own kind of mistake with a way out, and lets what the champion does pass."""

import subprocess
import sys
from pathlib import Path

import pytest

from bot.contract import findings
from bot.proposers import source
from bot.proposers.cheap import OWNED, SESSION, local, refusal
from bot.proposers.interpreter import ASK, ask
from bot.proposers.undefined import Scopes, imports, trees
from bot.settings import Settings

ROOT = Path(__file__).parents[2]
TRAIN, PATH = (ROOT / "train/train.py").read_text(), "train/train.py"


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings.build(ROOT, {"editable": [PATH], "device": "cpu"})


@pytest.fixture
def told(settings):
    """What is said of train.py with some texts replaced."""

    def change(*pairs: tuple[str, str]) -> str:
        text = TRAIN
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        return refusal({PATH: TRAIN}, {PATH: text}, settings)

    return change


GOOD = {
    "a constant": ("MLP_RATIO = 4 ", "MLP_RATIO = 3 "),
    "a constant of this device and of others": ("DEPTH = preset(cpu=4, mps=4", "DEPTH = preset(cpu=5, mps=5"),
    "code": (".square(), mlp_out", ".pow(2.5), mlp_out"),
    "a new function": ("def softcap(", "def half(x):\n    return x / 2\n\n\ndef softcap("),
    "modules that are there": ("import gc\n", "import gc, os.path, concurrent.futures, torch.nn.utils.parametrizations\n"),
    "a module that it can do without": ("import gc\n", "import gc\ntry:\n    import flash9\nexcept ImportError:\n    flash9 = 0\n"),
    "a module that only a type checker sees": (
        "import gc\n", "import gc\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import nothing9\n",
    ),
    "reading the session": ("    device = session.device\n", "    device = session.device\n    print(session.seed)\n"),
    "a new constant that only resembles an owned one": ("MLP_RATIO = 4 ", "PADDED_VOCAB_SIZE = 4096\nMLP_RATIO = 4 "),
}  # fmt: skip


@pytest.mark.parametrize("kind", GOOD)
def test_nothing_speaks_against(kind, told):
    assert told(GOOD[kind]) == ""


def test_every_file_is_left_as_it_is_without_a_reason(settings):
    assert refusal({PATH: TRAIN}, {}, settings) == ""


# Syntax, as the training interpreter sees it


UNREADABLE = {"return 3": "'return' outside function", "x = 04": "leading zeros", "def f(a, a): pass": "duplicate argument"}


@pytest.mark.parametrize("line", UNREADABLE)
def test_what_cannot_be_compiled_is_named_with_its_line(line, told):
    reason, number = told(("import gc\n", f"{line}\n")), TRAIN[: TRAIN.index("import gc\n")].count("\n") + 1
    assert reason.startswith(f"{PATH}, line {number}: ") and UNREADABLE[line] in reason


def test_nothing_of_a_candidate_runs(told, tmp_path):
    trace = tmp_path / "ran"
    told(("import gc\n", f"import gc\nopen({str(trace)!r}, 'w')\n"))
    assert not trace.exists()


def test_the_interpreter_is_started_without_our_secrets(monkeypatch, tmp_path):
    seen = tmp_path / "environment"
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nenv > {seen}\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    assert ask(str(python), {"a.py": "x ="}, ["json"]) == (["a.py, line 1: invalid syntax: `x =`"], [])
    assert "sk-secret" not in seen.read_text()


@pytest.mark.parametrize("program", ["/nowhere/python", "/bin/true", "/bin/false"])
def test_an_interpreter_that_does_not_answer_refuses_nothing(program):
    assert ask(program, {"a.py": "x ="}, ["nothing9"]) == ([], [])


# Modules


@pytest.mark.parametrize(
    "line, module",
    [("import xformers9", "xformers9"), ("from nothing9.sub import x", "nothing9.sub"), ("import torch.optim.muon2", "torch.optim.muon2")],
)
def test_modules_that_are_not_installed_are_refused(line, module, told):
    assert told(("import gc\n", f"import gc\n{line}\n")).startswith(f"imports {module}, which the training interpreter does not have")


def test_torch_is_not_imported_to_find_its_modules():
    functions = ASK.partition("asked = ")[0]
    code = f"{functions}\nprint(there('torch.nn.functional'), there('torch.nothing9'), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False", "False"]


def test_what_a_package_makes_in_its_init_is_there():
    assert ask(sys.executable, {}, ["torch.ops", "os.path", "xml.etree.ElementTree", "torch.nn.nothing9"])[1] == ["torch.nn.nothing9"]


def test_the_modules_of_the_target_are_local(tmp_path):
    for name in ("train/train.py", "train/helper.py", "pack/part.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    settings = Settings.build(tmp_path, {"editable": ["train/train.py"], "locked": ["pack"]})
    assert [local(name, settings) for name in ("helper", "pack.part", "eval.session", "other")] == [True, True, True, False]


# Names


def test_a_function_that_is_taken_out_but_used_is_named(told):
    assert told(("def attend(q, k", "def attention(q, k")).endswith("uses `attend`, but the change takes its definition out")


def test_a_name_that_nothing_defines_is_named_with_its_line(told):
    line = TRAIN[: TRAIN.index("    rate, momentum, decay = schedule")].count("\n") + 1
    assert (
        told(("schedule(progress)\n    for", "schedules(progress)\n    for"))
        == f"{PATH}, line {line}: uses `schedules`, but nothing defines it"
    )


UNDEFINED = {
    "x = y": {"y"}, "def f():\n    return g": {"g"}, "class A:\n    x = 1\n    def f(self):\n        return x": {"x"},
    "[i for i in r]": {"r"}, "def f():\n    global a\n    a = 1\n\ndef g():\n    return a": set(), "print(__name__, len, __file__)": set(),
    "def f(x):\n    return lambda: x": set(), "import a.b as c, d.e\nc, d": set(), "try:\n    pass\nexcept E as e:\n    e": {"E"},
    "from m import *\nx = y": set(), "globals()['y'] = 1\nx = y": set(), "def f(a: T) -> U: pass": {"T", "U"},
    "with open('f') as g: g\nfor h in []: h\nif (k := 1): k\ndel k": set(), "@d\ndef f(): pass": {"d"}, "class A(B): pass": {"B"},
    "match 1:\n    case [p, *q] if p: q": set(), "def f(x=z): pass": {"z"}, "f'{w}'": {"w"}, "[(u := 1) for _ in '']; u": set(),
}  # fmt: skip


@pytest.mark.parametrize("text", UNDEFINED)
def test_names_without_a_definition_are_found(text):
    assert Scopes.of(text).undefined == UNDEFINED[text]


MISSING_BEFORE = [
    ("    gc.freeze()", "    if False:\n        missing9()\n    gc.freeze()"),
    ("import gc\n", "import gc\nimport nothing9\n"),
]


@pytest.mark.parametrize("old, new", MISSING_BEFORE)
def test_what_was_missing_before_is_not_held_against_a_change(old, new, settings):
    before = TRAIN.replace(old, new)
    assert refusal({PATH: before}, {PATH: before.replace("MLP_RATIO = 4 ", "MLP_RATIO = 3 ")}, settings) == ""


def test_a_scope_that_python_does_not_take_is_named():
    assert "assigned to before global declaration" in Scopes.of("def f():\n    x = 1\n    global x\n").wrong


def two_files(tmp_path: Path) -> tuple[dict[str, str], Settings]:
    files = {"bench.py": "from parts import cut\nimport parts\n\nprint(cut)\n", "parts.py": "def cut():\n    return 1\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    return files, Settings.build(tmp_path, {"editable": list(files), "command": "python bench.py", "metric": "seconds"})


def test_a_name_that_another_editable_file_takes_must_stay(tmp_path):
    files, settings = two_files(tmp_path)
    assert (
        refusal(files, {"parts.py": "def slice():\n    return 1\n"}, settings)
        == "bench.py imports `cut` from parts.py, which does not define it"
    )


def test_a_name_that_it_never_had_is_not_held_against_a_change(tmp_path):
    files, settings = two_files(tmp_path)
    before = {**files, "parts.py": "def slice():\n    return 1\n"}
    assert refusal(before, {"parts.py": "def slice():\n    return 2\n"}, settings) == ""


def test_an_editable_file_may_define_it_in_another_way(tmp_path):
    files, settings = two_files(tmp_path)
    assert refusal(files, {"parts.py": "def _cut():\n    return 1\n\n\ncut = _cut\n"}, settings) == ""


# What the referee owns

OWNS = {"SEED": "session.seed", "DATA_SEED": "session.seed", "VOCAB_SIZE": "session.vocab_size", "SEQ_LEN": "session.sequence_length",
        "MAX_SEQ_LEN": "session.sequence_length", "TIME_BUDGET": "session.progress", "EVAL_TOKENS": "session.progress"}  # fmt: skip


@pytest.mark.parametrize("name", OWNS)
def test_constants_of_the_referee_are_refused_with_what_to_use_instead(name, settings):
    before = TRAIN.replace("MLP_RATIO = 4 ", f"{name} = 7\nMLP_RATIO = 4 ")
    reason = refusal({PATH: before}, {PATH: before.replace(f"{name} = 7", f"{name} = 8")}, settings)
    assert reason.startswith(f"{PATH}: {name} goes from 7 to 8, but ") and OWNS[name] in reason


def test_an_owned_number_is_found_as_an_argument_too(settings):
    before = TRAIN.replace("MLP_RATIO = 4 ", "SIZES = dict(vocab_size=7)\nMLP_RATIO = 4 ")
    assert "vocabulary" in refusal({PATH: before}, {PATH: before.replace("vocab_size=7", "vocab_size=8")}, settings)


def test_what_is_owned_here_the_constants_proposer_leaves_alone_too():
    assert all(source.OWNED.search(name) and any(pattern.fullmatch(name) for pattern, _ in OWNED) for name in OWNS)


def test_of_a_command_only_the_seed_is_owned(tmp_path):
    files, settings = two_files(tmp_path)
    before = {**files, "parts.py": files["parts.py"] + "SEED = 1\nVOCAB_SIZE = 1\n"}
    reason = refusal(before, {"parts.py": files["parts.py"] + "SEED = 2\nVOCAB_SIZE = 2\n"}, settings)
    assert reason.count("\n") == 0 and "SEED goes from 1 to 2" in reason


def test_a_change_for_other_devices_alone_measures_nothing(told):
    reason = told(("DEPTH = preset(cpu=4, mps=4, cuda=8)", "DEPTH = preset(cpu=4, mps=5, cuda=12)"))
    assert reason == "DEPTH.cuda, DEPTH.mps: this is measured on cpu, where that changes nothing; change the values for cpu"


@pytest.mark.parametrize("line", ["session.sequence_length = 64", "session.progress += 0.1", "del session.seed", "session = None"])
def test_the_session_is_read_only(line, told):
    assert "the session is the referee's" in told(("    device = session.device\n", f"    device = session.device\n    {line}\n"))


@pytest.mark.parametrize("line", ["import eval.score", "from eval.corpus import Corpus"])
def test_nothing_else_of_the_referee_may_be_imported(line, told):
    assert "`session` alone is for a candidate" in told(("import gc\n", f"import gc\n{line}\n"))


def test_a_relative_import_of_the_entry_is_refused(told):
    assert "relative import" in told(("import gc\n", "import gc\nfrom . import helper\n"))


CONTRACT = {
    "has no load_model": ("def load_model(directory, device)", "def load_weights(directory, device)"),
    "never takes a batch": ("session.batches(", "session.bunches("),
    "has no main guard": ('if __name__ == "__main__":\n    main()', "main()"),
    "pickles (torch.save)": ("    gc.freeze()", "    torch.save(model, 'x')\n    gc.freeze()"),
    "imports prepare": ("import gc\n", "import gc\nimport prepare\n"),
    "reports no loss": ("session.report(", "print("),
    "takes batches when it is imported": ("\n\ndef main():", "\n\nBATCHES = session.batches(4)\n\n\ndef main():"),
}


@pytest.mark.parametrize("problem", CONTRACT)
def test_what_check_calls_an_error_is_refused_with_its_fix(problem, told):
    assert f"it {problem}" in told(CONTRACT[problem])


def test_an_error_that_the_champion_has_is_not_held_against_a_change(settings):
    before = TRAIN.replace("    gc.freeze()", "    torch.save(model, 'x')\n    gc.freeze()")
    assert refusal({PATH: before}, {PATH: before.replace("MLP_RATIO = 4 ", "MLP_RATIO = 3 ")}, settings) == ""


def test_batches_may_be_taken_in_a_file_beside_the_entry(tmp_path):
    body = "    for batch in session.batches(4):\n        session.report(loss=1.0)\n    session.output\n"
    loop = f"from eval import session\n\n\ndef run():\n{body}"
    entry = "import loop\n\n\ndef load_model(directory, device):\n    return None\n\n\nif __name__ == '__main__':\n    loop.run()\n"
    whole = entry.replace("import loop", loop).replace("loop.run()", "run()")
    for name, text in (("train.py", whole), ("loop.py", "")):
        (tmp_path / name).write_text(text)
    settings = Settings.build(tmp_path, {"editable": ["train.py", "loop.py"], "device": "cpu"})
    assert refusal({"train.py": whole, "loop.py": ""}, {"train.py": entry, "loop.py": loop}, settings) == ""


def test_what_a_file_beside_the_entry_may_do_are_problems_of_the_contract():
    problems = {finding.problem for finding in findings("x = 1")} | {finding.problem for finding in findings("from eval import session\n")}
    assert problems >= SESSION


def test_every_reason_is_told_at_once(told):
    reason = told(("import gc\n", "import gc\nimport nothing9\n"), ("def attend(q, k", "def attention(q, k"), ("session.report(", "print("))
    assert [word in reason for word in ("nothing9", "`attend`", "reports no loss")] == [True] * 3


def test_imports_do_not_include_relative_ones():
    assert imports(trees({"a.py": "from . import b\nfrom .c import d\nimport e.f\n"})["a.py"]) == {"e.f"}
