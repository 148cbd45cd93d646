"""Many nights through action.yml against the local GitHub, with faults and with people who do as they like; then an audit.

    python -m tests.publish.soak [--nights 300] [--seed 0]

Before each night something may happen: a merge in any of its forms, a pull request closed, a colleague's commit, a base that moves, a
command; the branch brought up to date by either button, moved back, a commit on it reverted or amended. During it GitHub may fail in any
way, people may merge, commit or move the base, the token may die, the job may be cancelled or killed, the machine may be another one or
have lost its disk. After each night: never two open pull requests, no human commit lost, every line of every record on the ledger branch,
every experiment accounted for, few calls of the API, no traceback.
"""

import argparse
import os
import random
import shutil
import signal
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from bot.history import History
from bot.ledger import Ledger
from tests.action.executor import Result
from tests.forge import faults
from tests.forge.events import comment_event
from tests.publish import hands
from tests.publish.box import BRANCH, LEDGER, PARAMS, Box, World, change, github

HOW = ("merge", "squash", "rebase")
STATUSES = (500, 502, 503)
CALLS = 200  # of the API in two nights and a command, at most; GitHub allows 1,000 an hour
ON_BRANCH = ("update", "rebase", "back", "revert", "amend")
MEANWHILE = ("merge", "commit", "main", "update")  # what people do while a night runs
COMMANDS = ("status", "retest 1", "confirm", 'focus "less"')


@dataclass
class Soak:
    world: World
    random: random.Random
    boxes: list[Box]
    happened: Counter = field(default_factory=Counter)
    theirs: list[str] = field(default_factory=list)  # human commits that must still be on the branch
    wrong: list[str] = field(default_factory=list)
    calls: int = 0  # of the API so far

    def night(self, number: int) -> None:
        self.people()
        self.ideas()
        box = self.machine()
        result = self.run(box)
        self.audit(number, box, result)

    # What people do

    @property
    def open(self) -> int | None:
        return next((n for n, pull in self.world.repo.pulls.items() if pull.state == "open"), None)

    def people(self) -> None:
        did = self.act(self.random.choice(("", "", "", "merge", "close", "commit", "main", "notes", "command", *ON_BRANCH)))
        self.happened[did] += bool(did)

    def act(self, did: str) -> str:
        """What came of it; "" where it could not be done."""
        number = self.open
        if did == "merge" and number:
            self.world.repo.edit(number, draft=False)
            try:
                self.world.repo.merge(number, how=self.random.choice(HOW), delete_branch=self.random.random() < 0.5)
            except AssertionError:  # it has conflicts: a person would leave it
                did = "could not merge"
            else:
                self.theirs.clear()
        elif did == "close" and number:
            self.world.repo.close(number)
        elif did == "commit" and self.world.repo.branch(BRANCH):
            x, _ = self.values(BRANCH)
            text = PARAMS.format(x=x, y=round(self.random.uniform(3, 9), 2))
            self.theirs.append(self.world.repo.push_as("carol", BRANCH, {"params.py": text}, "by hand"))
        elif did == "main":
            x, y = self.values("main")
            self.world.repo.push_as("alice", "main", {"params.py": PARAMS.format(x=x, y=round(y - 0.01, 2))}, "main moves")
        elif did == "notes":
            self.world.repo.push_as("alice", "main", {"notes.md": str(self.random.random())}, "notes")
        elif did == "command" and number:
            comment = self.world.repo.comment(number, "bob", f"/autoresearch {self.random.choice(COMMANDS)}")
            self.check("a command", self.boxes[0].asked(comment_event(self.world.repo, comment, "created")))
        elif did in ON_BRANCH and self.world.repo.branch(BRANCH):
            did = did if self.branch(did) else ""
        else:
            did = ""
        return did

    def meanwhile(self, did: str) -> None:
        """While a job runs. What the job is quicker with, they do not do."""
        with suppress(AssertionError):
            did = self.act(did)
            self.happened[f"{did} meanwhile"] += bool(did)

    def branch(self, did: str) -> bool:
        """What people do to the branch; False where it cannot be done. Their commits are then those that are left on it."""
        repo, before = self.world.repo, list(self.theirs)
        commits = repo.git.commits(repo.branch("main"), repo.branch(BRANCH))
        match did:
            case "update":
                done = hands.update_branch(self.world, "merge")
            case "rebase":
                done = hands.update_branch(self.world, "rebase")
                self.theirs = [c.sha for c in repo.git.commits(repo.branch("main"), done) if c.author == "carol"] if done else before
            case "back":
                done = commits and hands.move_back(self.world, self.random.randint(1, len(commits)))
            case "revert":
                sha = self.random.choice(commits).sha if commits else ""
                done = sha and len(repo.git.commit(sha).parents) == 1 and hands.revert(self.world, sha)
                self.theirs = [each for each in before if not done or each != sha]  # theirs, and they undid it
            case "amend":
                done = bool(before) and before[-1] == repo.branch(BRANCH) and self.amend()
        self.theirs = [sha for sha in self.theirs if repo.git.contains(repo.branch(BRANCH), sha)]
        return bool(done)

    def amend(self) -> str:
        x, _ = self.values(BRANCH)
        text = PARAMS.format(x=x, y=round(self.random.uniform(3, 9), 2))
        self.theirs.append(self.world.repo.push_as("carol", BRANCH, {"params.py": text}, "by hand, better", amend=True))
        return self.theirs[-1]

    def values(self, revision: str) -> tuple[float, float]:
        first, last = self.world.params(revision)
        return float(first.split("=")[1]), float(last.split("=")[1])

    def ideas(self) -> None:
        """For what is on the branch now, so that most of them apply."""
        x, y = self.values(BRANCH if self.world.repo.branch(BRANCH) else "main")
        name, old = self.random.choice((("X", x), ("Y", y)))
        better = round(old + (0.9 if old < (2 if name == "X" else 3) else -0.9) * self.random.random(), 2)
        self.world.propose(change(name, old, better if self.random.random() < 0.6 else round(old + 2, 2)))

    # The machine and its misfortunes

    def machine(self) -> Box:
        if self.random.random() < 0.05:
            self.happened["another machine"] += 1
            self.boxes.append(self.world.box())
        box = self.random.choice(self.boxes[-2:])
        if self.random.random() < 0.03:
            self.happened["disk lost"] += 1
            shutil.rmtree(box.folder / "tools" / "autoresearch" / "state", ignore_errors=True)
        return box

    def run(self, box: Box) -> Result:
        faults_of_it = ("", "", "", "api", "limit", "drop", "git", "secondary", "token", "cancel", "kill", *MEANWHILE)
        fault, ended = self.random.choice(faults_of_it), threading.Event()
        self.happened[f"fault {fault}"] += bool(fault)
        fail, times = self.world.fake.fail, self.random.randint(1, 4)
        orders = {
            "api": lambda: fail(".*", "/repos/", status=self.random.choice(STATUSES), times=times, after=self.random.random() < 0.5),
            "drop": lambda: fail(".*", "/repos/", drop=True, times=times),
            "git": lambda: fail(".*", r"\.git/", status=503, times=times),
            "secondary": lambda: fail("POST|PATCH", "/repos/", **faults.secondary(1)),
            "limit": lambda: fail(".*", "/repos/", status=429, headers={"Retry-After": "1"}, times=times),
            "token": lambda: self.world.fake.revoke(box.token),
        }
        hit = orders[fault]() if fault in orders else None
        job, began, at = box.job(), time.monotonic(), self.random.uniform(0.5, 8)
        job.cancel = lambda: fault == "cancel" and time.monotonic() - began > at
        if fault in ("kill", *MEANWHILE):
            strike = kill if fault == "kill" else lambda pid: self.meanwhile(fault)
            job.began = lambda pid: threading.Timer(at, lambda: ended.is_set() or strike(pid)).start()
        result = job.use(mode="all", push=self.random.choice(("end", "each")), max_experiments="1")
        ended.set()
        if fault == "token":
            box.token = self.world.fake.token()
        elif hit:
            hit.end()
        if fault:
            result = box.use(mode="all", max_experiments="1")  # the next night has no such luck
        return result

    # The audit

    def check(self, what: str, result: Result) -> None:
        if "Traceback" in result.log or not result.ok:
            self.wrong.append(f"{what} ended badly:\n{result.log[-4000:]}")

    def audit(self, number: int, box: Box, result: Result) -> None:
        self.check(f"night {number}", result)
        world, repo = self.world, self.world.repo
        if (calls := len(world.fake.log) - self.calls) > CALLS:
            self.wrong.append(f"night {number}: {calls} API calls")
        self.calls = len(world.fake.log)
        if (count := sum(pull.state == "open" for pull in repo.pulls.values())) > 1:
            self.wrong.append(f"night {number}: {count} open pull requests")
        self.theirs = self.theirs if repo.branch(BRANCH) else []
        if lost := [sha for sha in self.theirs if not world.contains(BRANCH, sha)]:
            self.wrong.append(f"night {number}: human commits {lost} are not on the branch any more")
        for path in (box.folder / "tools").rglob("ledger/nightly/local.jsonl"):
            mine = set(path.read_text().splitlines())
            records = [name for name in world.show(LEDGER, "nightly/", names=True) if name.endswith(".jsonl")]
            if missing := mine - {line for name in records for line in world.show(LEDGER, name).splitlines()}:
                self.wrong.append(f"night {number}: {len(missing)} lines of {box.name} are not on the ledger branch")
            history = History.fold(Ledger(path.parent).events())
            undecided = [e.id for e in history.experiments.values() if e.id and e.proposal and not e.verdict]
            if history.oddities or len(undecided) > 1:
                self.wrong.append(f"night {number}: {history.oddities}, undecided {undecided}")


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def soak(folder: Path, nights: int, seed: int, tell=lambda text: None) -> Soak:
    with github(folder) as world:
        world.repo.permissions["bob"] = "write"
        played = Soak(world, random.Random(seed), [world.box(), world.box()])
        for number in range(1, nights + 1):
            played.night(number)
            tell(f"night {number}: {len(world.repo.pulls)} pull requests, {world.params(BRANCH) if world.repo.branch(BRANCH) else '-'}")
            if played.wrong:
                break
        return played


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.publish.soak", description=__doc__)
    parser.add_argument("--nights", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="soak-")
    played = soak(Path(folder), options.nights, options.seed, lambda text: print(text, flush=True))
    print(dict(played.happened), f"API calls: {len(played.world.fake.log)}", *(played.wrong or ["nothing wrong"]), sep="\n")
    if played.wrong:
        print(f"everything is in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    raise SystemExit(bool(played.wrong))


if __name__ == "__main__":
    main()
