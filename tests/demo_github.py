"""`make demo-github`: two nights of this repository's own target through action.yml, with a local GitHub instead of the real one.

    python -m tests.demo_github [--minutes 5] [--into .autoresearch/demo-github]

The real action.yml (with its own installation), the real referee, the embedded corpus, git over HTTP, GitHub's REST schema. So that a few
minutes are enough, the ideas come from a folder: one that is known to gain in ten seconds of a CPU, and some that may not. Leaves the pull
request as a person would see it, as a page and as pictures of it at two widths.
"""

import argparse
import difflib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests import render
from tests.action.executor import TOP, Job, Result
from tests.conftest import git
from tests.forge.server import FakeGitHub

NAME, LEDGER = "you/nightly", "autoresearch/ledger"
CANDIDATE = "train/train.py"
IDEAS = (  # of each night: what it says, the line's beginning, what stands there, what is to
    (("two layers instead of four", "DEPTH = ", "cpu=4", "cpu=2"), ("a shorter remark", "HEAD_STD = ", "near zero: the", "the")),
    (("twice the rate for the head", "HEAD_LR = ", "cpu=0.004", "cpu=0.008"),),
)
WIDTHS = {"wide": 1280, "phone": 390}


def night(fake: FakeGitHub, token: str, source: Path, folder: Path, minutes: str) -> Result:
    """One job on a fresh checkout of the default branch."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    git(folder, "clone", "-q", str(source), str(work))
    github = {"server_url": fake.server_url, "api_url": fake.url, "repository": NAME, "token": token, "run_id": "1"}
    job = Job(work, folder / "tools", folder / "temp", github=github, environ={"RUNNER_NAME": "laptop"})
    return job.use(mode="all", proposer="replay:ideas", budget_minutes=minutes, python=str(TOP / ".venv/bin/python"))


def patch(says: str, begins: str, old: str, new: str) -> str:
    """A patch of the candidate's one line that begins so."""
    before = (TOP / CANDIDATE).read_text().splitlines(keepends=True)
    after = [line.replace(old, new, 1) if line.startswith(begins) else line for line in before]
    assert after != before, f"no line of {CANDIDATE} begins with {begins!r} and has {old!r}"
    names = [f"{side}/{CANDIDATE}" for side in "ab"]
    return f"{says}\n\ndiff --git {' '.join(names)}\n" + "".join(difflib.unified_diff(before, after, *names))


def show(repo, into: Path) -> Path | None:
    """The newest pull request as markdown, page and pictures; None where the nights kept nothing."""
    if not repo.pulls:
        return None
    pull = repo.pulls[max(repo.pulls)]
    into.mkdir(parents=True, exist_ok=True)
    (into / "pull.md").write_text(f"{pull.title}\n\n{pull.body}\n")
    picture = subprocess.run(["git", "show", f"{LEDGER}:demo/progress.png"], cwd=repo.path, capture_output=True, check=True).stdout
    (into / "progress.png").write_bytes(picture)  # the local GitHub has no web pages to take it from
    page = into / "pull.html"
    html = re.sub(r'src="[^"]*progress\.png[^"]*"', 'src="progress.png"', render.page(pull.body, pull.title))
    page.write_text(html, encoding="utf-8")
    for name, width in WIDTHS.items() if render.browser() else ():
        render.screenshot(page, into / f"pull-{name}.png", width)
    return page


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.demo_github", description=__doc__)
    parser.add_argument("--minutes", default="5", help="of each night")
    parser.add_argument("--into", type=Path, default=TOP / ".autoresearch" / "demo-github")
    options = parser.parse_args()
    with FakeGitHub() as fake, tempfile.TemporaryDirectory(prefix="demo-github-") as folder:
        repo, token = fake.repository(NAME, source=TOP), fake.token()
        for number, ideas in enumerate(IDEAS, 1):
            repo.push_as("you", "main", {f"ideas/{number}-{i}.patch": patch(*idea) for i, idea in enumerate(ideas)}, "ideas")
            print(f"== night {number}", flush=True)
            result = night(fake, token, repo.path, Path(folder), options.minutes)
            print(result.log, flush=True)
            print({name: value for name, value in result.outputs.items() if value}, flush=True)
        page = show(repo, options.into)
        print(f"pull requests: {len(repo.pulls)}; {f'look at {page}' if page else 'nothing was kept, so none was opened'}")
        if page and not render.browser():
            print("no Chromium here, so there are no pictures of it")


if __name__ == "__main__":
    main()
