"""Several devices at once: what the workers of one machine may spend, what they take over from each other, and how they end."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace as replace_struct

from bot import devices, elsewhere, migration, proposing, scouts, siblings
from bot.action import facts
from bot.action.facts import spent
from bot.checkpoints import Checkpoints
from bot.errors import UsageError
from bot.gitrepo import GitRepo
from bot.history import History
from bot.ledger import Ledger
from bot.live import PlainObserver
from bot.loop import Night, run_loop
from bot.night import exclusive
from bot.proposers import Answer, ProposalContext, make_proposer
from bot.proposers.constants import Constants
from bot.proposers.replay import Replay
from bot.records import Call, Proposal, Stopped
from bot.references import References
from bot.report import markdown
from bot.report.pull import NOWHERE
from bot.report.pull_evidence import Evidence
from bot.report.pull_facts import cost
from bot.settings import Settings
from bot.signals import Stop
from tests.bot.nights import CONFIG, Referee, reopen
from tests.bot.two_numbers import PARAMS, change
from tests.conftest import commit_all
from tests.targets import CONFIG as COMMAND
from tests.targets import autoresearch, command_line, environment, make_target

START = PARAMS.format(x=5.0, y=9.0)
SCORE = """import os, random, time
from params import X, Y
time.sleep(0.1 if os.environ["CUDA_VISIBLE_DEVICES"] == "3" else 0)
noise = random.Random(int(os.environ["AUTORESEARCH_SEED"])).gauss(0, 0.01)
print(f"METRIC cost={(X - 2.0) ** 2 + (Y - 3.0) ** 2 + noise:.6f}")
print("METRIC device=" + os.environ["CUDA_VISIBLE_DEVICES"])
"""


def target(folder: Path, patches: list[str], config: str = CONFIG, score: str = "") -> Path:
    root = make_target(folder / "repo", patches, config)
    (root / "params.py").write_text(START)
    if score:
        (root / "score.py").write_text(score)
    commit_all(root)
    return root


def worker(root: Path, number: int = 0) -> Night:
    """A night of the lead or of a scout, which knows what its ledger knows; its referee is a formula."""
    settings = Settings.load(root, environ={})
    if number:
        settings = Settings.build(root, scouts.told(settings, number))
    repo, state = GitRepo(root), root / settings.state_dir
    referee, ledger = Referee(repo, lambda asked: {}), Ledger(state / "ledger" / settings.name)
    references, checkpoints = References(state / "bits", repo, referee.context), Checkpoints(state / "checkpoints")
    referee.checkpoints = checkpoints
    night = Night(settings, repo, ledger, History.fold(ledger.events()), referee, referee.score, make_proposer(settings),
                  PlainObserver(io.StringIO()), Stop(), references, checkpoints)  # fmt: skip
    reopen(night, referee, referee.context)
    return night


def played(root: Path, number: int = 0) -> Night:
    night = worker(root, number)
    run_loop(night)
    return night


def alone(root: Path, answer=lambda asked: {}) -> Night:
    """A night of the lead that does not know its scouts."""
    night = worker(root)
    night.measure.answer = answer
    night.siblings.known.clear()
    night.siblings.place = replace(night.siblings.place, state=root / "nobody")
    run_loop(night)
    return night


def sources(night: Night) -> list[str]:
    return [e.proposal.source.rpartition(":")[0] or e.proposal.source for e in night.history.experiments.values() if e.proposal]


def said(night: Night) -> str:
    return night.observer.stream.getvalue()


def champion(night: Night) -> list[str]:
    lines = night.repo.read(night.history.champion_sha, "params.py").splitlines()
    return [lines[0], lines[-1]]


def propose(root: Path, *patches: str) -> None:
    for path in (root / "patches").iterdir():
        path.unlink()
    for i, text in enumerate(patches):
        (root / "patches" / f"{time.monotonic_ns()}-{i}.patch").write_text(text)


# Which devices, and what each worker may spend


@pytest.mark.parametrize(
    ("line", "found"),
    [("0, 1", ("0", "1")), ("2", ("2",)), ("[0, GPU-ab-1]", ("0", "GPU-ab-1")), ("null", ()), ('"4,5"', ("4", "5"))],
)
def test_devices_are_written_as_nvidia_smi_shows_them(tmp_path, line, found):
    root = target(tmp_path, [], CONFIG + f"devices: {line}\n")
    assert Settings.load(root, environ={}).devices == found


def test_devices_of_the_environment_win_over_the_file(tmp_path):
    root = target(tmp_path, [], CONFIG + "devices: 7\n")
    assert Settings.load(root, environ={"AUTORESEARCH_DEVICES": "0,1"}).devices == ("0", "1")


def test_a_cpu_has_no_devices_but_for_commands(tmp_path):
    values = {"devices": "0", "device": "cpu"}
    with pytest.raises(UsageError, match="`device` is cpu"):
        Settings.load(target(tmp_path, []), overrides=values, environ={})
    assert Settings.load(target(tmp_path / "command", [], COMMAND), overrides=values, environ={}).devices == ("0",)


def test_a_bad_device_is_bad_usage(tmp_path):
    assert "--devices: devices: 'x' is no device" in autoresearch(target(tmp_path, []), "run", "--devices", "x", code=2)


def test_a_machine_without_a_gpu_has_no_devices(tmp_path):
    settings = Settings.load(target(tmp_path, []), overrides={"devices": "0"}, environ={})
    with pytest.raises(UsageError, match="finds no GPU"):
        devices.usable(settings.resolved("cpu"))
    devices.usable(settings.resolved("cuda"))


def test_this_process_sees_the_first_device_until_its_night_ends(tmp_path):
    settings = Settings.load(target(tmp_path, []), overrides={"devices": "2,1"}, environ={})
    environ = {"CUDA_VISIBLE_DEVICES": "1,2"}
    with devices.own(settings, environ):
        assert environ == {"CUDA_VISIBLE_DEVICES": "2", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert environ == {"CUDA_VISIBLE_DEVICES": "1,2"}
    with pytest.raises(UsageError, match="2 is not in CUDA_VISIBLE_DEVICES=1"), devices.own(settings, {"CUDA_VISIBLE_DEVICES": "1"}):
        pass


def test_what_may_be_spent_is_divided(tmp_path):
    more = "max_dollars: 3\nmax_tokens: 1000\nmax_machine_minutes: 90\nmax_experiments: 7\nstop_after: 2h\n"
    settings = Settings.load(target(tmp_path, [], CONFIG.replace("stop_after: null\n", more)), overrides={"devices": "0,1,2"}, environ={})
    lead = devices.share(settings)
    scout = Settings.build(settings.root, scouts.told(lead, 2))
    for own in (lead, scout):
        assert (own.max_dollars, own.max_tokens, own.max_machine_minutes) == (1.0, 333, 30.0)
    assert (lead.max_experiments, lead.stop_after) == (7, "2h")
    assert (scout.max_experiments, scout.stop_after, scout.devices) == (None, None, ()), "it works until its lead ends it"
    own = {"name", "state_dir", "devices", "max_experiments", "stop_after", "reserve"}
    assert scout.model_dump(exclude=own) == lead.model_dump(exclude=own)


def test_a_scout_gets_its_keys_through_a_pipe(tmp_path):
    root = target(tmp_path, [])
    order = {"settings": scouts.told(Settings.load(root, environ={}), 1), "keys": {"A_KEY": "very-secret"}}
    read_end, write_end = os.pipe()
    os.write(write_end, json.dumps(order).encode())
    os.close(write_end)
    program = f"from bot import keys, scouts; from pathlib import Path; print(scouts.received({read_end}, Path.cwd()).name, scouts.held())"
    done = subprocess.run([sys.executable, "-c", program], cwd=root, env=environment(), pass_fds=[read_end], capture_output=True, text=True)
    os.close(read_end)
    assert done.stdout == "demo-scout1 {'A_KEY': 'very-secret'}\n", done.stderr


# What they take over from each other


def test_each_takes_up_what_the_other_kept_once_and_measures_it_itself(tmp_path):
    root = target(tmp_path, [change("X", 5.0, 1.0)])
    scout = played(root, 1)
    assert sources(scout) == ["replay"] and len(scout.history.keeps) == 1
    propose(root, change("Y", 9.0, 3.0), change("X", 5.0, 1.0))
    lead = played(root)
    assert sources(lead) == ["scout:1", "replay", "replay"], "the last one does not apply any more"
    first = lead.history.experiments[1]
    assert first.status == "keep" and first.runs("screen") and first.proposal.parent == lead.history.base
    assert "scout 1 kept it as its experiment 1" in first.proposal.note
    assert champion(lead) == ["X = 1.0", "Y = 3.0"] and champion(scout) == ["X = 1.0", "Y = 9.0"]
    scout = played(root, 1)
    assert sources(scout) == ["replay", "lead"] and champion(scout) == ["X = 1.0", "Y = 3.0"]
    count, lead = lead.history.tried, played(root)
    assert lead.history.tried == count, "nothing of it comes back, and nothing twice"
    assert [e.id for _, _, e in lead.siblings.keeps()] == [1], "what a scout took up is another's"


def test_a_scout_proves_nothing(tmp_path):
    scout = played(target(tmp_path, [change("X", 5.0, 1.0)]), 1)
    assert not [a for a in scout.measure.asked if a["role"] in ("final", "ablate", "sealed")]


def test_constants_get_the_sibling_s_value_where_both_moved_them(tmp_path):
    root = target(tmp_path, [change("X", 5.0, 0.5)])
    played(root, 1)
    propose(root, change("X", 5.0, 4.0))
    assert champion(alone(root))[0] == "X = 4.0"
    assert champion(played(root))[0] == "X = 0.5"


def test_what_does_not_fit_any_more_is_told_and_passed_over_once(tmp_path):
    root = target(tmp_path, [change("X", 5.0, "1.0 * abs(1)")])
    played(root, 1)
    propose(root, change("X", 5.0, "4.0 + abs(0)"))
    assert champion(alone(root))[0] == "X = 4.0 + abs(0)"
    lead = played(root)
    assert migration.waiting(lead) is None and lead.history.tried == 1
    assert said(lead).count("scout 1's experiment 1 is passed over: it touches the same lines of params.py") == 1


def test_what_lost_here_is_not_tried_again_for_another_champion(tmp_path):
    root = target(tmp_path, [change("X", 5.0, 1.0)])
    played(root, 1)
    propose(root, change("Y", 9.0, 3.0))
    night = worker(root)
    night.measure.answer = lambda asked: {"value": 2.0} if "X = 1.0" in night.repo.read(asked["sha"], "params.py") else {}
    run_loop(night)
    assert [e.status for e in night.history.experiments.values()][1:] == ["discard", "keep"]
    assert sources(night) == ["scout:1", "replay"] and played(root).history.tried == 2


def test_what_both_found_is_not_measured_again(tmp_path):
    """Here it lost, by itself."""
    root = target(tmp_path, [change("X", 5.0, 1.0)])
    played(root, 1)
    night = alone(root, lambda asked: {"value": 2.0} if asked["id"] else {})
    assert night.history.experiments[1].status == "discard"
    assert played(root).history.tried == 1


@pytest.mark.parametrize("kind", [Constants, Replay])
def test_what_a_sibling_tries_is_not_proposed(tmp_path, kind):
    for name in "ab":
        (tmp_path / f"{name}.patch").write_text(change("X", 5.0, 1.0))
    proposer = kind(tmp_path) if kind is Replay else kind()
    here = ProposalContext({"params.py": START}, History(), 1, "cpu", tmp_path)
    first = proposer.propose(here)
    other = Proposal(0.0, 1, "p", "s", first.hypothesis, first.source, params=first.params)
    second = proposer.propose(replace(here, beside=(other,)))
    assert (second.source, second.params) != (first.source, first.params)


def test_what_a_scout_found_of_constants_steers_the_lead(tmp_path):
    """The same constant further the same way lost there, by much."""
    root = target(tmp_path, [])

    def moved(night: Night, **other) -> tuple[str, bool]:
        (name, value), *_ = Constants().propose(replace(proposing.context(night), **other)).params.items()
        name = name.rpartition(".")[2]
        return name, value > {"X": 5.0, "Y": 9.0}[name]

    name, up = moved(worker(root))
    before = {"X": 5.0, "Y": 9.0}[name]
    propose(root, change(name, before, before + (3.3 if up else -3.3)))
    scout = worker(root, 1)
    scout.measure.answer = lambda asked: {"value": 500.0} if asked["id"] else {}
    run_loop(scout)
    lead = worker(root)
    assert lead.repo._git("branch", "-D", scout.settings.branch), "what it found is in its record; its commits may be gone"
    (found,) = proposing.context(lead).results
    assert list(found.changed.values()) == [before + (3.3 if up else -3.3)] and found.loss > 100
    assert {n.rpartition(".")[2]: value for n, value in found.champion.items()} == {"X": 5.0, "Y": 9.0}
    assert moved(lead, results=()) == (name, up) and moved(lead) != (name, up)


def test_models_read_of_it(tmp_path):
    root = target(tmp_path, [change("X", 5.0, 1.0)])
    played(root, 1)
    found = elsewhere.read(Settings.load(root, environ={}), History())
    assert [(e.source, e.hypothesis, e.status) for e in found.experiments] == [("scout 1", "X to 1.0", "keep")]


def test_a_program_that_a_sibling_measures_now_costs_no_run(tmp_path):
    root = target(tmp_path, [])
    scout, lead = worker(root, 1), worker(root)
    answer = Answer("X is 1", "llm:m", edits={"params.py": START.replace("5.0", "1.0")})
    proposing.write(scout, answer)
    lead.siblings.refresh()
    lead.proposer.slow = lambda context: True
    found = migration.settled(lead, answer, lambda: None)
    assert found.rejected == 'scout 1 tries the same program as its experiment 1, "X is 1"'
    other = replace(answer, edits={"params.py": START.replace("5.0", "2.0")})
    assert migration.settled(lead, other, lambda: None) is other
    lead.proposer.slow = lambda context: False
    assert migration.settled(lead, answer, lambda: other) is other, "a proposer that takes no time is asked again"


def test_a_lead_waits_its_turn_before_its_scouts_have_a_record(tmp_path):
    """Else a scout whose record begins meanwhile proposes what it proposes."""
    root = target(tmp_path, [], CONFIG + "devices: [3, 4]\n")
    lead, inside = siblings.Siblings(Settings.load(root, environ={})), threading.Event()

    def other() -> None:
        with siblings.Siblings(Settings.load(root, environ={})).turn():
            inside.set()

    with lead.turn():
        thread = threading.Thread(target=other)
        thread.start()
        assert not inside.wait(0.3)
    thread.join(10)
    assert inside.is_set()


def test_a_line_that_is_being_written_waits(tmp_path):
    root = target(tmp_path, [change("X", 5.0, 1.0)])
    played(root, 1)
    ledger = siblings.place(Settings.load(root, environ={})).ledger(1)
    lines = ledger.path.read_bytes()
    end = lines.index(b'"event":"verdict"', lines.index(b'"event":"proposal"')) + 5
    ledger.path.write_bytes(lines[:end])
    sibling = siblings.Sibling(1, ledger)
    sibling.refresh()
    assert not sibling.keeps()
    ledger.path.write_bytes(lines)
    sibling.refresh()
    assert [e.id for e in sibling.keeps()] == [1]


def test_people_see_what_the_scouts_did_beside_our_own_counts(tmp_path):
    root = target(tmp_path, [change("X", 5.0, 1.0)])
    played(root, 1)
    settings = Settings.load(root, environ={})
    assert siblings.text(siblings.beside(settings)).startswith("1 scout on other devices: 1 experiment, 1 kept, ")
    assert "| Beside | 1 scout on other devices: 1 experiment, 1 kept, " in markdown.render(History(), settings=settings)
    assert siblings.beside(Settings.build(root, scouts.told(settings, 1))) is None


def test_what_the_scouts_spent_is_told_wherever_money_is(tmp_path):
    """In `status`, in the last line of each run, and from there in the pull request and the action's output: their own records stay."""
    root = target(tmp_path, [change("X", 5.0, 1.0)])
    scout, began = played(root, 1), time.time()
    for at, dollars in ((began - 9, 0.25), (began + 1, 1.5), (began + 2, None)):
        scout.bill(Call(at, 1, "a-model", 10, 5, dollars=dollars))
    lead = played(root)
    found = siblings.beside(lead.settings)
    assert (found.experiments, found.kept, found.requests, found.dollars, found.unpriced) == (1, 1, 3, 1.75, 1)
    assert "3 requests to models; $1.75 without 1 request of unknown price" in siblings.text(found)
    assert json.loads(autoresearch(root, "status", "--json"))["beside"] == msgspec.structs.asdict(found)
    late = siblings.beside(lead.settings, began)
    assert (late.experiments, late.kept, late.requests, late.dollars, late.unpriced) == (0, 0, 2, 1.5, 1)
    lead.record(replace_struct(lead.history.last_opened, at=began))
    assert spent(lead.history, facts.beside(lead.settings, lead.history)) == "1.5000", "of a lead that was killed"
    lead.record(Stopped(time.time(), "done", beside=late))
    assert spent(lead.history, facts.beside(lead.settings, lead.history)) == "1.5000"
    lead.record(replace_struct(lead.history.last_opened, at=began + 3))
    lead.record(Stopped(time.time(), "done", beside=siblings.beside(lead.settings, began + 3)))
    told = cost(Evidence(History.fold(lead.ledger.events()), lead.settings, NOWHERE))
    assert "Nobody was asked here. Not counted in that: 1 scout on other devices: 0 experiments, 0 kept, " in told
    assert ", 2 requests to models; " in told and "1.50 without 1 request of unknown price" in told, "each run's own, once"


def test_what_a_scout_took_over_is_not_told_as_its_own(tmp_path):
    root = target(tmp_path, [change("X", 5.0, 1.0)])
    played(root)
    propose(root)
    scout = played(root, 1)
    assert len(scout.history.keeps) == 1
    scout.bill(Call(time.time(), 2, "a-model"))
    found = siblings.beside(Settings.load(root, environ={}))
    assert (found.requests, found.experiments, found.kept) == (1, 0, 0)


def test_each_run_writes_down_what_its_scouts_did_in_it(tmp_path):
    root = target(tmp_path, [], COMMAND)
    scout = worker(root, 1)
    scout.bill(Call(time.time() - 9, 1, "a-model", dollars=4.0))
    scout.bill(Call(time.time() + 99, 1, "a-model", dollars=1.5))
    autoresearch(root, "run")
    assert history(root, 0).last_stopped.beside.dollars == history(root, 0).beside.dollars == 1.5


def test_a_scouts_record_that_cannot_be_read_costs_no_night_its_end(tmp_path):
    root = target(tmp_path, [])
    played(root, 1)
    settings = Settings.load(root, environ={})
    ledger = siblings.place(settings).ledger(1).path
    ledger.unlink()
    ledger.mkdir()
    assert siblings.beside(settings) is None


# Real processes


def processes(root: Path) -> dict[int, str]:
    """pid -> command line of all that name `root`."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if str(root) in words or Path(os.readlink(path.parent / "cwd")).is_relative_to(root):
                found[int(path.parent.name)] = words
        except OSError:  # it is gone, or another user's
            continue
    return found


def until(condition, seconds: float = 30.0):
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found


def history(root: Path, number: int) -> History:
    return History.fold(siblings.place(Settings.load(root, environ={})).ledger(number).events())


@pytest.mark.slow
def test_two_devices_measure_at_once_and_share_what_they_keep(tmp_path):
    patches = [change("X", 5.0, 4.5), change("Y", 9.0, 8.0), change("X", 5.0, 6.0), change("Y", 9.0, 8.5)]
    more = "device: cuda\ndevices: [3, 4]\nreserve: 1%\n"
    root = target(tmp_path, patches, COMMAND + more, SCORE)
    out = autoresearch(root, "run", AUTORESEARCH_SANDBOX="none")
    assert "1 scout on 4; this is the lead, on 3" in out and "scout 1 kept" in out
    records = [history(root, number) for number in (0, 1)]
    own = [e.proposal.source for h in records for e in h.experiments.values() if e.proposal and e.proposal.source.startswith("replay")]
    assert len(own) == len(set(own)) <= 4, "nothing is tried twice"
    for device, record in zip((3, 4), records, strict=True):
        runs = [m for e in record.experiments.values() for m in e.measurements]
        assert runs and {m.metrics["device"] for m in runs} == {device}
    kept = siblings.Siblings(Settings.load(root, environ={})).keeps()
    taken = {e.proposal.source: e for e in records[0].experiments.values() if e.proposal}
    assert kept and all(taken[source].runs("screen") for source, _, _ in kept)
    assert not processes(root)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_no_scout_outlives_its_lead(tmp_path, number):
    """Both are measuring."""
    root = target(tmp_path, [], COMMAND + "device: cuda\ndevices: [3, 4]\n", "import time\ntime.sleep(100)\n")
    lead = subprocess.Popen(command_line("run"), cwd=root, env=environment(AUTORESEARCH_SANDBOX="none"), stdout=subprocess.DEVNULL)
    try:
        until(lambda: sum(words.endswith("score.py ") for words in processes(root).values()) == 2)
        lead.send_signal(number)
        lead.wait(30)
        until(lambda: not processes(root), 10)
    finally:
        lead.kill()
    stopped = history(root, 1).last_stopped
    assert "SIGTERM" in stopped.reason if number == signal.SIGTERM else stopped is None


@pytest.mark.slow
def test_a_scout_s_agent_has_its_key(tmp_path):
    agent = """import os, random, sys
from pathlib import Path
assert os.environ["AGENT_KEY"] == "very-secret"
Path("params.py").write_text(Path("params.py").read_text().replace("X = 5.0", f"X = {random.random()}"))
print("HYPOTHESIS: another X")
"""
    (tmp_path / "agent.py").write_text(agent)
    words = {"command": [sys.executable, str(tmp_path / "agent.py"), "{prompt_file}"], "environment": ["AGENT_KEY"]}
    config = COMMAND.replace("replay:patches", f"agent\nagent: {json.dumps(words)}\ndevice: cuda\ndevices: [3, 4]")
    root = target(tmp_path, [], config, SCORE)
    env = environment(AUTORESEARCH_SANDBOX="none", AGENT_KEY="very-secret")
    lead = subprocess.Popen(command_line("run"), cwd=root, env=env, stdout=subprocess.DEVNULL)
    try:
        first = until(lambda: history(root, 1).experiments.get(1))
        scout = next(pid for pid, words in processes(root).items() if "--scout" in words)
        assert b"very-secret" not in Path(f"/proc/{scout}/environ").read_bytes() + Path(f"/proc/{scout}/cmdline").read_bytes()
    finally:
        lead.terminate()
        lead.wait(30)
    assert first.proposal.hypothesis == "another X" and first.proposal.sha
    assert not [p for p in root.rglob("*") if p.is_file() and b"very-secret" in p.read_bytes()]


def test_a_scout_that_fails_is_told_and_the_lead_goes_on(tmp_path):
    """Its state folder is another run's."""
    night = worker(target(tmp_path, []))
    team = scouts.Scouts(night.observer.note)
    state = night.settings.root / ".autoresearch" / "scouts" / "1"
    state.mkdir(parents=True)
    with exclusive(state / "lock"):
        team.start(night.settings, 1, "0")
        until(lambda: not team.look(), 20)
    assert "WARNING: scout 1 failed: error: another run is using" in said(night)
