"""No secret is in anything that a night leaves: a job's token, an App's key and tokens, a model server's key.

Two nights and a command without a sandbox, on a target that prints whatever it can read of any process into everything that is recorded;
then every byte that was written anywhere is searched. So that the search itself is proved, it must find a word that the target printed."""

import base64
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import git
from tests.forge.events import comment_event
from tests.llm.server import ModelServer, says
from tests.llm.test_llm import change as idea
from tests.publish.box import BRANCH, CONFIG, LEDGER, NAME, Box, World, github

KEY, WORD = "sk-canary-3141592653", "printed-by-the-target"
THIEF = """import os, pathlib, random, re, sys
from params import X
seen = repr(dict(os.environ))
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("environ", "cmdline"):
        try: seen += pathlib.Path("/proc", pid, name).read_text(errors="replace").replace(chr(0), " ")
        except OSError: pass
found = re.findall(r".{0,60}(?:ghs_|ghp_|sk-|PRIVATE|AR_|TOKEN|KEY).{0,200}", seen)
print("WORD", seen[:2000], *found)
if X > 8: sys.exit("WORD " + " ".join([seen[:100], *found])[:3000])
noise = random.Random(int(os.environ["AUTORESEARCH_SEED"])).gauss(0, 0.01)
print(f"METRIC cost={(X - 2.0) ** 2 + noise:.6f}")
""".replace("WORD", WORD)


class Played:
    """What the nights left, by place; `secrets` by what they are."""

    def __init__(self, world: World, folder: Path, results: list, secrets: dict[str, str]):
        self.secrets, repo = secrets, world.repo
        pulls = [f"{pull.title}\n{pull.body}" for pull in repo.pulls.values()]
        shown = [repr(result.outputs) + repr(result.annotations) + result.summary + result.log for result in results]
        self.places = {
            "pull requests": "\n".join(pulls),
            "comments": "\n".join(comment.body for comment in repo.comments.values()),
            "check runs": repr([check.output for check in repo.checks.values()]),
            "the branches, every version": objects(repo.path),
            "what was handed over": handed_over(folder / "handed", folder / "unpacked", repo.path),
            "results.json": (folder / "handed/results.json").read_text(),
            "the machines": "".join(f"{path}\n{text(path)}" for box in world.boxes for path in left(box)),
            "the checkouts": "".join(objects(box.folder / "work") for box in world.boxes),
            "the jobs": "\n".join(shown),
        }


def objects(repo: Path) -> str:
    """The content of every object of a repository: files, folders, commits."""
    done = subprocess.run(["git", "cat-file", "--batch", "--batch-all-objects"], cwd=repo, capture_output=True, check=True)
    return done.stdout.decode(errors="replace") + git(repo, "for-each-ref")


def handed_over(folder: Path, unpacked: Path, base: Path) -> str:
    """The bundles as they are, and what is in them."""
    git(folder, "clone", "-q", "--bare", str(base), str(unpacked))
    for bundle in folder.glob("*.bundle"):
        git(unpacked, "fetch", "-q", str(bundle), f"+refs/heads/*:refs/handed/{bundle.stem}/*")
    return objects(unpacked) + "".join(map(text, folder.iterdir()))


def left(box: Box) -> Iterator[Path]:
    """Files of a runner's machine that outlive the job, but for the packages of the controller."""
    return (path for path in box.folder.rglob("*") if path.is_file() and "environments" not in path.parts)


def text(path: Path) -> str:
    return path.read_bytes().decode(errors="replace")


@pytest.fixture(scope="module")
def played(tmp_path_factory) -> Iterator[Played]:
    folder = tmp_path_factory.mktemp("canaries")
    with ModelServer() as models:
        models.key = KEY
        models.script(*(says(idea("X = 5.0", f"X = {x}", f"X to {x}")) for x in ("4.5", "9.0")))
        models.otherwise = says(idea("X = 4.5", "X = 9.5", "worse"))
        asks = f"models: [{{model: m, base_url: '{models.base_url}', key: MODEL_KEY}}]\n"
        with github(folder, config=CONFIG.replace("replay:patches", "llm") + asks) as world:
            world.repo.permissions["bob"] = "write"
            world.repo.push_as("alice", "main", {"score.py": THIEF}, "a thief")
            app = world.fake.app(repositories=[NAME])
            given = {"app_id": str(app.app_id), "app_private_key": app.private_key}

            def use(box: Box, job=None, **inputs: str):
                job = job or box.job()
                return replace(job, environ={**job.environ, "MODEL_KEY": KEY, "SOME_TOKEN": f"{KEY}-2"}).use(**inputs)

            box, reader, hosted = world.box(), world.box(contents="read"), world.box()
            results = [use(box, mode="all", push="each", max_experiments="2", **given)]
            comment = world.repo.comment(1, "bob", "/autoresearch retest 1")
            event = comment_event(world.repo, comment, "created")
            results += [use(hosted, hosted.job(event=event, event_name="issue_comment"), mode="comment", **given)]
            results += [use(reader, mode="run", publication=str(folder / "handed"), max_experiments="1")]
            results += [use(hosted, mode="publish", publication=str(folder / "handed"), **given)]
            assert all(result.ok for result in results), "\n".join(result.log for result in results)
            assert {request.headers["authorization"] for request in models.requests} == {f"Bearer {KEY}"}
            assert {e.status for e in world.history(reader.name).experiments.values()} >= {"keep", "crash"}
            assert any(token.login == app.login for token in world.fake.tokens.values()) and world.repo.branch(BRANCH)
            secrets = {f"token {number}": token for number, token in enumerate(world.fake.tokens)}
            secrets |= {
                f"{name} in a header": base64.b64encode(f"x-access-token:{token}".encode()).decode()[20:-4]
                for name, token in secrets.items()
            }
            secrets |= {f"line {n} of the App's key": line for n, line in enumerate(app.private_key.splitlines()) if len(line) > 40}
            yield Played(world, folder, results, secrets | {"the model server's key": KEY})


PLACES = ("pull requests", "comments", "check runs", "the branches, every version", "what was handed over", "results.json", "the machines",
          "the checkouts", "the jobs")  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_no_secret_is_left_anywhere(played, place):
    assert len(played.places[place]) > 100 and len(played.secrets) > 20
    assert [name for name, secret in played.secrets.items() if secret in played.places[place]] == []


@pytest.mark.parametrize("place", ["the branches, every version", "what was handed over", "the machines"])
def test_the_search_finds_what_the_target_printed(played, place):
    """A failing run's last lines are recorded, and so is its reason."""
    assert WORD in played.places[place]


def test_every_place_is_looked_at(played):
    assert played.places.keys() == set(PLACES) and LEDGER in played.places["what was handed over"]
