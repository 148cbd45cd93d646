"""GitHub's own parser (npm, bundled by esbuild) reads our action and workflows, and refuses broken ones."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.action.executor import TOP

HERE = Path(__file__).parent / "parser"
ESBUILD = HERE / "node_modules/.bin/esbuild"
FILES = [TOP / "action.yml", *sorted(TOP.glob(".github/workflows/*.yml")), *sorted(TOP.glob("examples/workflows/*.yml"))]

pytestmark = pytest.mark.skipif(
    not shutil.which("node") or not ESBUILD.exists(),
    reason=f"GitHub's workflow parser is not installed: Node 20 or newer, then `npm ci --ignore-scripts --prefix {HERE.relative_to(TOP)}`",
)


@pytest.fixture(scope="module")
def parse(tmp_path_factory):
    """files -> file name -> what GitHub's parser says is wrong."""
    bundle = tmp_path_factory.mktemp("parser") / "check.cjs"
    options = ["--bundle", "--platform=node", "--format=cjs", f"--outfile={bundle}", "--log-level=error"]
    subprocess.run([ESBUILD, HERE / "check.js", *options], check=True)

    def errors(*files: Path) -> dict[str, list[str]]:
        done = subprocess.run(["node", bundle, *files], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return {str(Path(name).name): found for name, found in json.loads(done.stdout).items() if found}

    return errors


def test_githubs_parser_accepts_the_action_and_every_workflow(parse):
    assert len(FILES) == 7 and parse(*FILES) == {}


BROKEN = {
    "action.yml": ("      shell: bash\n", "      timeout-minutes: 3\n", "Required property is missing: shell"),
    "nightly-two-jobs.yml": ("needs: run", "needs: nobody", "depends on unknown job 'nobody'"),
    "dispatch.yml": ("inputs.max-experiments", "secretz.max-experiments", "Unrecognized named-value: 'secretz'"),
    "command.yml": ("runs-on: ubuntu-24.04", "runs_on: ubuntu-24.04", "runs_on"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_githubs_parser_refuses_a_broken_file(parse, tmp_path, name):
    old, new, word = BROKEN[name]
    source = next(path for path in FILES if path.name == name)
    text = source.read_text()
    assert old in text
    (tmp_path / name).write_text(text.replace(old, new))
    assert any(word in message for message in parse(tmp_path / name)[name])
