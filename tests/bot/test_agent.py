"""Coding agents as proposers: real programs, good ones and bad ones. What is taken of their work, and what they cannot do."""

import os
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from pathlib import Path

import pytest

from bot.errors import UsageError
from bot.proposers import Unavailable
from bot.proposers.agent import called
from bot.proposers.worktree import PROMPT
from bot.records import Measurement, Proposal
from eval.process import clean_environment, spawn
from tests.bot.agents import TRAIN, Bench, alive, until
from tests.conftest import git

GOOD = """
change()
print("I looked around first.")
print()
print("HYPOTHESIS: a larger step learns more in the time there is")
print("EXPECTED: 0.01 lower, as the loss still falls at the end")
print("**Category:** `optimizer`")
print("LEARNED: the loss still falls at the end")
"""


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


# What is taken


def test_the_new_text_and_what_it_says_about_it_are_taken(bench):
    answer = bench.propose(GOOD, name="my_agent")
    assert answer.edits == {"train/train.py": TRAIN.replace("0.02", "0.03")} and not answer.rejected
    assert answer.hypothesis == "a larger step learns more in the time there is"
    assert (answer.source, answer.category) == ("agent:my_agent", "optimizer")
    assert answer.expected.startswith("0.01 lower") and answer.learned == ("the loss still falls at the end",)


def test_a_run_is_billed_with_its_time_and_its_outcome(bench):
    bench.propose("time.sleep(0.3)\n" + GOOD)
    assert (bench.call.outcome, bench.call.id, bench.call.dollars) == ("answer", 1, None)
    assert 0.3 <= bench.call.seconds < 15


def test_without_a_line_for_it_the_last_paragraph_is_the_hypothesis(bench):
    answer = bench.propose("change()\nprint('I tried some things.\\n\\nA larger step learns\\nfaster.\\n')")
    assert answer.hypothesis == "A larger step learns faster."


def test_a_change_that_the_agent_committed_counts_and_so_does_its_message(bench):
    answer = bench.propose("""
        change()
        subprocess.run(["git", "commit", "-qam", "take larger steps\\n\\nCATEGORY: optimizer"], check=True)
        print("Done.")
    """)
    assert answer.edits and answer.hypothesis == "take larger steps" and answer.category == "optimizer"


def test_garbage_on_its_output_is_bounded_and_harms_nothing(bench):
    answer = bench.propose("""
        change()
        sys.stdout.buffer.write(bytes(range(256)) * 20000)
        sys.stdout.buffer.write(b"\\n\\n\\x1b[31m::error::\\x1b[0m caf\\xe9 \\xff\\n")
    """)
    assert answer.edits and len(answer.hypothesis) <= 600
    assert answer.hypothesis.isprintable() and not answer.hypothesis.startswith("::")


def test_what_it_leaves_beside_the_files_is_ignored(bench):
    answer = bench.propose("""
        change()
        Path("NOTES.md").write_text("x"); Path(".agent").mkdir(); Path(".agent/log").write_text("x")
        Path(".gitignore").write_text(".agent\\n")
    """)
    assert answer.edits and not answer.rejected


# What is refused


@pytest.mark.parametrize("path", ["helper.py", "program.md", "README.md"])
def test_a_change_of_any_other_file_is_refused_by_name(bench, path):
    answer = bench.propose(f"change()\nPath('{path}').write_text('x')")
    assert answer.edits is None and path in answer.rejected and "only train/train.py" in answer.rejected
    assert bench.call.outcome == "rejected"


def test_another_file_that_was_removed_is_refused_by_name(bench):
    assert "helper.py" in bench.propose("change()\nPath('helper.py').unlink()").rejected


def test_a_new_module_that_the_change_needs_is_refused_by_name(bench):
    answer = bench.propose("change('LR = 0.02', 'import tricks\\nLR = 0.02')\nPath('train/tricks.py').write_text('x = 1')")
    assert "train/tricks.py" in answer.rejected


def test_an_import_of_what_was_there_is_not(bench):
    assert bench.propose("change('LR = 0.02', 'import helper\\nLR = 0.02')").edits


HARM = {
    "train.unlink()": "was deleted",
    "train.unlink(); train.symlink_to('/etc/hostname')": "a symbolic link",
    "os.rename('train', worktree.parent / 'other'); os.symlink(worktree.parent / 'other', 'train')": "the folder of train/train.py was",
    "train.unlink(); os.mkfifo(train)": "not a file",
    "train.unlink(); train.mkdir()": "not a file",
    "import shutil; os.chdir('/'); shutil.rmtree(worktree); os.symlink(worktree, worktree)": "cannot be read any more",
    "change(); train.chmod(0o755)": "the mode of train/train.py changed",
    "train.write_bytes(b'A = \\xff')": "not UTF-8",
    "train.write_bytes(b'A = 1\\n' * 200000)": "the limit is",
    "os.truncate(train, 1 << 40)": "the limit is",
    "train.write_text('A = (')": "line 1",
    "change('LR = 0.02', 'import torch\\ntorch.manual_seed(7)\\nLR = 0.02')": "seeds belong to the harness",
}


@pytest.mark.parametrize("body", HARM)
def test_what_cannot_be_measured_is_refused_with_the_reason(bench, body):
    answer = bench.propose(body)
    assert answer.edits is None and HARM[body] in answer.rejected, answer.rejected


def test_an_agent_that_changes_nothing_is_quoted(bench):
    answer = bench.propose("print('Everything is fine as it is.')")
    assert answer.edits is None and "changed nothing: Everything is fine as it is." in answer.rejected
    assert bench.call.outcome == "refused"


def test_the_reason_goes_back_and_the_next_try_starts_from_the_champion(bench):
    answer = bench.propose(
        """
        if "helper.py" in prompt.read_text().partition("was not taken")[2]:
            assert Path("helper.py").read_text() == "A = 1\\n" and "0.02" in train.read_text()
            change()
        else:
            change("DEPTH = 4", "DEPTH = 5"); Path("helper.py").write_text("A = 2\\n")
        """,
        attempts=2,
    )
    assert answer.edits == {"train/train.py": TRAIN.replace("0.02", "0.03")}
    assert [call.outcome for call in bench.calls] == ["rejected", "answer"]


def test_no_more_tries_are_made_than_allowed(bench):
    assert bench.propose("Path('helper.py').write_text('x')", attempts=3).rejected
    assert len(bench.calls) == 3


def test_a_failing_exit_code_is_told_with_its_words(bench):
    answer = bench.propose("change()\nprint('no such key', file=sys.stderr)\nsys.exit(3)")
    assert answer.edits is None and "exit code 3: no such key" in answer.rejected
    assert bench.call.outcome == "error"


def test_an_agent_that_fails_every_time_is_out_of_order(bench):
    agent = bench.agent("sys.exit(1)")
    for _ in range(2):
        assert agent.propose(bench.context).rejected
    with pytest.raises(Unavailable, match="exit code 1.*3 times"):
        agent.propose(bench.context)


def test_so_is_one_that_hangs_every_time(bench):
    agent = bench.agent("time.sleep(600)", timeout="0.2s")
    agent.failures = 2
    for count in (3, 4):
        with pytest.raises(Unavailable, match=f"still working after 0.2s .{count} times"):
            agent.propose(bench.context)


def test_one_that_has_no_room_for_its_folder_is_out_of_order(bench, monkeypatch):
    agent = bench.agent(GOOD)
    monkeypatch.setattr(tempfile, "tempdir", str(bench.folder / "not there"))
    with pytest.raises(Unavailable, match="could not be started"):
        agent.propose(bench.context)


def test_one_that_works_now_and_then_is_not(bench):
    agent = bench.agent("""
        tally = Path(os.environ["OUT"]) / "tally"
        count = len(tally.read_text()) if tally.exists() else 0
        tally.write_text("x" * (count + 1))
        change(new=f"LR = 0.0{count + 3}")
        sys.exit(count % 3 != 2)
    """)
    assert [bool(agent.propose(bench.context).rejected) for _ in range(6)] == [True, True, False] * 2


# Time and processes


def test_an_agent_that_hangs_is_ended_at_its_deadline(bench):
    began = time.monotonic()
    answer = bench.propose("change()\n(Path(os.environ['OUT']) / 'pid').write_text(str(os.getpid()))\ntime.sleep(600)", timeout="2s")
    assert time.monotonic() - began < 15 and "still working after 2s" in answer.rejected
    assert answer.edits is None and bench.call.outcome == "timeout"
    assert not alive(int(bench.wrote("pid")))


DAEMON = """
    change()
    if not os.fork():
        os.setsid()
        if not os.fork():
            os.setsid()
            (Path(os.environ["OUT"]) / "pid").write_text(str(os.getpid()))
            time.sleep(600)
        os._exit(0)
    while not (Path(os.environ["OUT"]) / "pid").exists(): time.sleep(0.02)
"""


def test_nothing_that_it_started_outlives_it(bench):
    assert bench.propose(DAEMON).edits
    assert not alive(int(bench.wrote("pid")))


def test_it_and_its_folder_are_gone_when_the_bot_is_killed(bench):
    agent = bench.folder / "agent.py"
    agent.write_text("import os, time\nopen(os.environ['OUT'] + '/pid', 'w').write(f'{os.getpid()} {os.getcwd()}')\ntime.sleep(600)\n")
    caller = textwrap.dedent(f"""
        from pathlib import Path
        from tests.bot.agents import Bench
        bench = Bench(Path({str(bench.folder)!r}))
        bench.called({[sys.executable, str(agent), "{prompt}"]!r}).propose(bench.context)
    """)
    with subprocess.Popen([sys.executable, "-c", caller], cwd=Path(__file__).parents[2]) as bot:
        assert until(lambda: (bench.out / "pid").exists() and bench.wrote("pid"))
        pid, folder = bench.wrote("pid").split()
        assert alive(int(pid)) and Path(folder).exists()
        bot.kill()
    assert until(lambda: not alive(int(pid)) and not Path(folder).exists())


def test_a_measurement_that_ends_meanwhile_leaves_the_agent_alone(bench):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(bench.propose("time.sleep(3)\n" + GOOD)))
    thread.start()
    while thread.is_alive():
        child = spawn([sys.executable, "-c", "pass"], bench.folder, clean_environment(bench.folder, bench.folder))
        child.wait(5)
        child.kill()
    assert answers[0].edits and bench.call.outcome == "answer"


def test_it_runs_at_low_priority_without_a_gpu_and_with_nothing_on_its_input(bench):
    bench.propose("""
        facts = [os.nice(0), os.environ["CUDA_VISIBLE_DEVICES"], sys.stdin.read()]
        (Path(os.environ["OUT"]) / "facts").write_text(json.dumps(facts))
    """)
    assert bench.wrote("facts") == f'[{min(19, os.nice(0) + 10)}, "", ""]'


# What it can see


def test_its_environment_holds_its_own_keys_and_no_others(bench):
    bench.environ |= {"OPENAI_API_KEY": "sk-of-the-bot", "AGENT_KEY": "ak"}
    body = """
        seen = dict(os.environ) | {"parent": Path(f"/proc/{os.getppid()}/environ").read_text()}
        (Path(os.environ["OUT"]) / "seen").write_text(json.dumps(seen))
    """
    bench.propose(body, environment=["OUT", "AGENT_KEY"])
    seen = bench.wrote("seen")
    assert '"AGENT_KEY": "ak"' in seen and "sk-of-the-bot" not in seen
    names = set(__import__("json").loads(seen)) - {"parent", "LC_CTYPE"}
    hidden = {"CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"}
    assert names == {"PATH", "HOME", "LANG", "TERM", "TMPDIR", "OUT", "AGENT_KEY"} | hidden


def test_its_folder_is_a_repository_with_one_commit_and_no_remote(bench):
    git(bench.root, "remote", "add", "origin", "https://example.com/x.git")
    git(bench.root, "commit", "-q", "--allow-empty", "-m", "second")
    bench.propose("""
        run = lambda *words: subprocess.run(["git", *words], capture_output=True, text=True, check=True).stdout
        told = [run("remote"), run("log", "--format=%s", "--all"), run("status", "--short"), run("rev-parse", "--show-toplevel").strip()]
        (Path(os.environ["OUT"]) / "told").write_text(json.dumps([*told[:3], told[3] == str(worktree.resolve())]))
    """)
    assert bench.wrote("told") == '["", "the champion\\n", "", true]'


def test_the_users_repository_stays_as_it_was(bench):
    before = git(bench.root, "for-each-ref"), git(bench.root, "status", "--porcelain", "--ignored")
    bench.propose(GOOD + "subprocess.run(['git', 'commit', '-qam', 'x'], check=True)")
    assert before == (git(bench.root, "for-each-ref"), git(bench.root, "status", "--porcelain", "--ignored"))


def test_what_it_writes_into_its_git_folder_is_never_run(bench):
    body = """
        change()
        trap = Path(os.environ["OUT"]) / "trap.sh"
        trap.write_text("#!/bin/sh\\ntouch $OUT/sprung\\n"); trap.chmod(0o755)
        config = Path(".git/config").read_text() + f"\\n[core]\\nfsmonitor = {trap}\\npager = {trap}\\n[gpg]\\nprogram = {trap}\\n"
        Path(".git/config").write_text(config)
        Path(".git/COMMIT_EDITMSG").write_text("a message")
    """
    assert bench.propose(body).hypothesis == "a message"
    assert not (bench.out / "sprung").exists()


def test_a_message_behind_a_link_is_not_read(bench):
    answer = bench.propose("change()\nos.symlink('/etc/passwd', '.git/COMMIT_EDITMSG')")
    assert answer.edits and answer.hypothesis == "a change by somebody"


def test_the_prompt_says_what_it_may_do_and_holds_the_brief(bench):
    bench.propose("(Path(os.environ['OUT']) / 'prompt').write_text(prompt.read_text())")
    prompt = bench.wrote("prompt")
    for part in ("Make it faster.", "Edit train/train.py there", "HYPOTHESIS:", "LR = 0.02", "simplification"):
        assert part in prompt, part
    assert "<<<<<<<" not in prompt  # the form that is for models without tools


def test_a_short_prompt_stands_in_the_command(bench):
    words = bench.called([sys.executable, "-c", "pass", "--task={prompt}", "{worktree}/x"])._words(Path("/w"), "do {worktree} well")
    assert words[3:] == ["--task=do {worktree} well", "/w/x"]


def test_a_prompt_too_long_for_a_command_is_left_in_a_file(bench):
    agent = bench.called(
        [sys.executable, "-c", "import sys; print(len(sys.argv[1])); print(open(sys.argv[1].split()[3]).read()[-9:])", "{prompt}"]
    )
    (word,) = agent._words(Path("/w"), "x" * (128 << 10))[3:]  # Linux's limit
    assert PROMPT in word and len(word) < 200


def test_a_large_repository_is_shown_as_a_measurement_sees_it(tmp_path, monkeypatch):
    monkeypatch.setattr("bot.proposers.worktree.SHOWN_FILES", 3)
    bench = Bench(tmp_path)
    bench.propose("(Path(os.environ['OUT']) / 'files').write_text(' '.join(sorted(p for p in os.listdir() if p[0] != '.')))")
    assert bench.wrote("files") == "helper.py program.md train"


def test_an_executable_file_may_stay_one(tmp_path):
    bench = Bench(tmp_path)
    (bench.root / "train/train.py").chmod(0o755)
    git(bench.root, "commit", "-qam", "executable")
    bench.history.opened = __import__("msgspec").structs.replace(bench.history.opened, base=git(bench.root, "rev-parse", "HEAD"))
    assert bench.propose("change()").edits


# Keys and money


@pytest.mark.parametrize("body", [
    "change(); print(f'LEARNED: it is {key}\\nHYPOTHESIS: {key} is a key')",
    "change(); subprocess.run(['git', 'commit', '-qam', f'with {key}'])",
    "print(f'401 for {key}', file=sys.stderr); sys.exit(1)",
    "change('LR = 0.02', f'KEY = {key!r}\\nLR = 0.02')",
])  # fmt: skip
def test_its_key_goes_nowhere_with_what_it_says_or_writes(bench, body):
    bench.environ["MODEL"] = "correct-horse-battery"
    answer = bench.propose("key = os.environ['MODEL']\n" + body, environment=["OUT", "MODEL"])
    assert "correct-horse" not in repr([answer, bench.calls]) and ("secret" in repr(answer) or "the value of MODEL" in answer.rejected)


def test_no_further_try_is_made_that_would_pass_the_limit_on_dollars(bench):
    agent = bench.agent(
        "print(json.dumps({'result': 'no', 'total_cost_usd': 1.0})); train.write_text('A = (')", attempts=9, max_dollars=2.5
    )
    assert agent.propose(bench.context).rejected and [call.dollars for call in bench.calls] == [1.0, 1.0]


def test_every_step_of_a_long_run_is_billed(bench):
    bench.propose("""
        change()
        for _ in range(20):
            print(json.dumps({"type": "step_finish", "part": {"cost": 0.25, "tokens": {"input": 10}}}))
            print(json.dumps({"type": "tool_use", "part": {"state": {"output": "x" * 50_000}}}))
    """)
    assert (bench.call.dollars, bench.call.prompt_tokens, bench.call.outcome) == (5.0, 200, "answer")


# Repair and settings


def test_a_repair_starts_from_the_files_that_failed(bench):
    broken = {"train/train.py": TRAIN.replace("0.02", "0.3")}
    failure = Measurement(0.0, 1, "screen", 0, "s", 1, "crash", "c", reason="diverged", log_tail="the loss is nan")
    proposal = Proposal(0.0, 1, bench.base, "s", "much larger steps", "agent:somebody")
    body = """
        text = prompt.read_text()
        assert "the loss is nan" in text and "much larger steps" in text and "LR = 0.3\\n" in train.read_text()
        change("LR = 0.3", "LR = 0.1")
    """
    answer = bench.agent(body).repair(bench.context, proposal, broken, failure)
    assert answer.edits == {"train/train.py": TRAIN.replace("0.02", "0.1")}


def test_a_repair_that_is_none_is_left_out(bench):
    failure = Measurement(0.0, 1, "screen", 0, "s", 1, "crash", "c", reason="diverged")
    proposal = Proposal(0.0, 1, bench.base, "s", "much larger steps", "agent:somebody")
    assert bench.agent("print('no idea')").repair(bench.context, proposal, {"train/train.py": TRAIN + "x = 1\n"}, failure) is None


@pytest.mark.parametrize("word", ["no-such-agent", "./no-such-agent", "/no/such/agent"])
def test_a_program_that_is_not_there_is_named(bench, word):
    with pytest.raises(UsageError, match=f"agent: command: there is no program '{word}'"):
        bench.called([word, "{prompt}"])


def test_a_program_of_the_repository_is_found(bench):
    script = bench.root / "agent.sh"
    script.write_text("#!/bin/sh\nsed -i 's/0.02/0.03/' train/train.py\n")
    script.chmod(0o755)
    assert bench.called(["./agent.sh", "{prompt}"]).propose(bench.context).edits


def test_a_key_that_is_not_set_is_named(bench):
    with pytest.raises(UsageError, match="agent: environment: SOME_KEY is not set"):
        bench.agent("", environment=["SOME_KEY"])


@pytest.mark.parametrize(
    "words, name",
    [
        (("claude", "-p", "{prompt}"), "claude"),
        (("npx", "-y", "@openai/codex", "exec", "{prompt}"), "codex"),
        (("python3.11", "tools/my_agent.py", "{prompt}"), "my_agent"),
        (("/opt/bin/aider", "--message-file", "{prompt_file}"), "aider"),
        (("env", "{prompt}"), "env"),
    ],
)
def test_an_agent_is_called_by_its_own_name(words, name):
    assert called(words) == name


def test_no_descriptor_stays_open(bench):
    bench.propose(GOOD)
    before = len(os.listdir("/proc/self/fd"))
    bench.propose(GOOD)
    assert len(os.listdir("/proc/self/fd")) == before


def test_it_is_slow(bench):
    assert bench.agent("").slow(bench.context)


def test_the_folder_is_gone_afterwards(bench):
    bench.propose("(Path(os.environ['OUT']) / 'where').write_text(str(worktree))")
    assert not os.path.lexists(Path(bench.wrote("where")).parent)
