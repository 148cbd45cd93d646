"""Neighbours make a result invalid: busy processes beside a training, and a stand-in for the driver's tool that says what a driver says."""

import contextlib
import json
import os
import subprocess
import sys
import time

import pytest

from eval import fingerprint, nvidia
from eval.budget import Budget
from eval.errors import Failed
from eval.load import busy_seconds
from eval.neighbours import Neighbours

needs_proc = pytest.mark.skipif(busy_seconds() is None, reason="no /proc/stat")
WALL, CPU = Budget(100.0), Budget(100.0, "cpu")

TOOL = """#!{python}
import json, sys, time
answers = json.load(open({state!r}))
time.sleep(answers.get("sleep", 0))
question = sys.argv[1].partition("=")[2].split(",")
if unknown := [name for name in question if name not in answers]:
    print(f'Field "{{unknown[0]}}" is not a valid field to query.')
    sys.exit(2)
if "pid" in question:
    for row in answers["apps"]:
        print(", ".join(map(str, row)))
else:
    print(", ".join(str(answers[name]) for name in question))
"""


class Driver:
    """A real executable named nvidia-smi; `say` changes what it prints."""

    def __init__(self, folder):
        self.state = folder / "state.json"
        self.answers = {"apps": [], "pid": "", "used_memory": "", "process_name": "", "memory.used": 400, "utilization.gpu": 0}
        self.answers |= {"clocks.sm": 1980, "clocks_throttle_reasons.active": "0x0000000000000000", "uuid": "GPU-1234"}
        self.answers |= {"driver_version": "575.51", "clocks.max.sm": 1980, "power.limit": "700.00"}
        self.say()
        tool = folder / "nvidia-smi"
        tool.write_text(TOOL.format(python=sys.executable, state=str(self.state)))
        tool.chmod(0o755)

    def say(self, **answers):
        self.answers |= {name.replace("__", "."): value for name, value in answers.items()}
        fresh = self.state.with_suffix(".fresh")
        fresh.write_text(json.dumps(self.answers))
        os.replace(fresh, self.state)

    def say_later(self, **answers):
        """A process that changes the answers in half a second."""
        later = self.state.with_suffix(".later")
        later.write_text(json.dumps(self.answers | {name.replace("__", "."): value for name, value in answers.items()}))
        code = "import os, sys, time; time.sleep(0.5); os.replace(*sys.argv[1:])"
        return subprocess.Popen([sys.executable, "-c", code, str(later), str(self.state)])


@pytest.fixture
def driver(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return Driver(tmp_path)


def look_until_answered(neighbours):
    """One whole look: start the tool, and read it when it has ended."""
    neighbours.gpu.next = 0.0
    neighbours.look()
    while neighbours.gpu.asked:
        time.sleep(0.01)
        neighbours.look()


@contextlib.contextmanager
def busy(count):
    """Processes that keep `count` cores busy."""
    spinners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield spinners
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


def training(budget, seconds, own_cpu=lambda: 0.0):
    """Neighbours of a training that lasts so long, after its end."""
    neighbours = Neighbours("cpu")
    neighbours.begin(own_cpu, budget=budget)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        neighbours.look()
        time.sleep(0.05)
    return neighbours, neighbours.end()


@needs_proc
def test_a_busy_neighbour_is_recorded():
    with busy(1):
        _, seen = training(CPU, 0.6)
    assert seen["cpu_others"] > 0.3


@needs_proc
def test_the_candidate_is_no_neighbour():
    began = time.monotonic()
    with busy(1):
        _, with_it = training(CPU, 0.6)
        _, without = training(CPU, 0.6, own_cpu=lambda: time.monotonic() - began)  # it says: that was me
    assert without["cpu_others"] < with_it["cpu_others"] - 0.2


@needs_proc
def test_the_referee_is_no_neighbour():
    neighbours = Neighbours("cpu")
    before = time.process_time()
    neighbours.begin(lambda: 0.0, budget=CPU)
    counted = busy_seconds()
    while time.process_time() < before + 0.5:
        pass
    everybody = busy_seconds() - counted
    assert neighbours.load.end()["cpu_others"] * neighbours.load.seconds <= everybody - 0.3


@needs_proc
def test_a_wall_budget_on_a_full_cpu_is_invalid():
    with busy(2 * len(os.sched_getaffinity(0))):
        neighbours, _ = training(WALL, 2.1)
        with pytest.raises(Failed, match=r"other processes took \d\.\d of the \d+ cores.*a cpu budget does not") as caught:
            neighbours.judge()
    assert caught.value.outcome == "invalid"


@needs_proc
def test_a_cpu_budget_on_a_full_cpu_is_not():
    with busy(2 * len(os.sched_getaffinity(0))):
        neighbours, _ = training(CPU, 2.1)
    neighbours.judge()


@needs_proc
def test_it_ends_early_once_it_is_certain():
    with busy(2 * len(os.sched_getaffinity(0))), pytest.raises(Failed, match="other processes took"):
        training(Budget(2.0), 20.0)


def test_foreign_process_before(driver):
    driver.say(apps=[[4711, 512, "/usr/bin/python3"]])
    with pytest.raises(Failed, match=r"other processes compute on this GPU: python3 \(pid 4711, 512 MB\); stop them") as caught:
        Neighbours("cuda").before(patience=0.0)
    assert caught.value.outcome == "invalid"


def test_before_waits_for_it_to_go(driver):
    driver.say(apps=[[4711, 512, "python"]])
    later = driver.say_later(apps=[])
    Neighbours("cuda").before(patience=30.0)
    assert later.wait() == 0


def test_our_own_process_is_none(driver):
    driver.say(apps=[[os.getpid(), 512, "python"]])
    Neighbours("cuda").before(pids=lambda: [os.getpid()], patience=0.0)


def test_the_drivers_own_server_is_none(driver):
    driver.say(apps=[[4711, 29, "nvidia-cuda-mps-server"]])
    Neighbours("cuda").before(patience=0.0)


def test_a_desktop_is_tolerated_and_an_animated_one_is_not(driver):
    driver.say(utilization__gpu=12, memory__used=900)
    Neighbours("cuda").before(patience=0.0)
    driver.say(utilization__gpu=60)
    with pytest.raises(Failed, match="60 % busy although nothing of ours runs on it"):
        Neighbours("cuda").before(patience=0.0)


def test_foreign_process_during(driver):
    neighbours = Neighbours("cuda")
    neighbours.before(patience=0.0)
    neighbours.begin(lambda: 0.0, pids=lambda: [os.getpid()])
    driver.say(apps=[[os.getpid(), 900, "python"], [os.getppid(), 512, "[Not Found]"]])
    with pytest.raises(Failed, match=rf"used this GPU during the training: unknown \(pid {os.getppid()}, 512 MB\)"):
        look_until_answered(neighbours)
    assert neighbours.end()["gpu_others"] == 1


def test_pids_of_another_namespace_do_not_accuse(driver):
    """In a container the driver may call our own trainer by the host's pid: no such process here."""
    neighbours = Neighbours("cuda")
    neighbours.before(patience=0.0)
    neighbours.begin(lambda: 0.0, pids=lambda: [os.getpid()])
    driver.say(apps=[[2**22 + 5, 900, "[Not Found]"]])
    look_until_answered(neighbours)
    assert "another namespace" in neighbours.end()["note"]


def test_a_look_never_waits_for_the_tool(driver):
    neighbours = Neighbours("cuda")
    neighbours.before(patience=0.0)
    neighbours.begin(lambda: 0.0)
    driver.say(sleep=30)
    neighbours.look()
    neighbours.look()
    assert [process.poll() for _, process in neighbours.gpu.asked] == [None, None]
    neighbours.end()


def test_clock_and_throttling_are_recorded(driver):
    neighbours = Neighbours("cuda")
    neighbours.before(patience=0.0)
    neighbours.begin(lambda: 0.0)
    look_until_answered(neighbours)
    driver.say(clocks__sm=1000, clocks_throttle_reasons__active="0x0000000000000040")
    look_until_answered(neighbours)
    assert (neighbours.end()["gpu_clock"], neighbours.end()["throttled"]) == (1490, True)


def test_the_normal_power_cap_is_no_throttling(driver):
    neighbours = Neighbours("cuda")
    neighbours.before(patience=0.0)
    neighbours.begin(lambda: 0.0)
    driver.say(clocks_throttle_reasons__active="0x0000000000000004")
    look_until_answered(neighbours)
    assert neighbours.end()["throttled"] is False


def test_a_newer_driver_has_another_name_for_throttling(driver):
    driver.answers["clocks_event_reasons.active"] = driver.answers.pop("clocks_throttle_reasons.active")
    driver.say(apps=[[4711, 512, "python"]])
    with pytest.raises(Failed, match="4711"):
        Neighbours("cuda").before(patience=0.0)


def test_without_the_tool_there_is_a_note(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    neighbours = Neighbours("cuda")
    neighbours.before(patience=0.0)
    neighbours.begin(lambda: 0.0)
    neighbours.look()
    assert "nvidia-smi does not answer" in neighbours.end()["note"]
    neighbours.freed(0.0)


def test_memory_that_does_not_come_back_names_its_holder(driver):
    neighbours = Neighbours("cuda")
    neighbours.before(patience=0.0)
    driver.say(memory__used=2400, apps=[[4711, 2000, "python"]])
    with pytest.raises(Failed, match=r"2\.1 GB of the GPU's memory did not come back after the run: held by python \(pid 4711"):
        neighbours.freed(0.0)


def test_memory_that_comes_back_late_is_waited_for(driver):
    neighbours = Neighbours("cuda")
    neighbours.before(patience=0.0)
    driver.say(memory__used=2400)
    later = driver.say_later(memory__used=410)
    neighbours.freed(30.0)
    assert later.wait() == 0


def test_settings_of_the_driver_are_in_the_fingerprint(driver):
    facts = {"device": "cuda", "device_name": "H200", "memory_gib": 140, "gpu_uuid": "GPU-1", "torch": "2", "python": "3"}
    one = fingerprint.complete(facts)
    assert (one["driver"], one["max_sm_mhz"], one["power_limit_watts"]) == ("575.51", "1980", "700")
    driver.say(power__limit="500.00")
    assert fingerprint.complete(facts)["fingerprint"] != one["fingerprint"]


def test_what_changes_by_itself_is_not(driver):
    facts = {"device": "cuda", "device_name": "H200", "memory_gib": 140, "gpu_uuid": "GPU-1", "torch": "2", "python": "3"}
    one = fingerprint.complete(facts)
    driver.say(clocks__sm=300, utilization__gpu=99)
    assert fingerprint.complete(one) == one
    assert fingerprint.complete(facts | {"gpu_uuid": "GPU-2"})["fingerprint"] == one["fingerprint"]  # its twin in the same box


def test_cells_the_driver_does_not_know_are_empty():
    assert nvidia.parse(b"12, [N/A]\n[Not Supported], x\n\n") == [["12", ""], ["", "x"]]


def test_a_gpu_has_one_lock_whatever_it_is_called(driver, monkeypatch):
    assert nvidia.identity() == "GPU-1234"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-1234")
    assert nvidia.identity() == "GPU-1234"
