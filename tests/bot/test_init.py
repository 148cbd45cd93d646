"""`autoresearch init` makes a repository ready and overwrites nothing."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from bot.cli import cli
from bot.settings import Settings
from tests.conftest import commit_all, git, make_repo


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repo(tmp_path / "My Repo_1", {"train.py": "x = 1\n", "model.py": "", "bench.py": ""})


def init(folder: Path, *args: str) -> click.testing.Result:
    return CliRunner().invoke(cli, ["-C", str(folder), "init", *args], prog_name="autoresearch")


def load(repo: Path) -> Settings:
    return Settings.load(repo, environ={})


def test_what_it_writes_is_valid(repo):
    assert init(repo).exit_code == 0
    assert (load(repo).name, load(repo).editable) == ("my-repo-1", ("train.py",))


def test_every_field_is_shown(repo):
    init(repo)
    text = (repo / "autoresearch.yml").read_text()
    assert [name for name in Settings.model_fields if f"\n{name}: " not in text and f"\n# {name}: " not in text] == []


def test_only_two_files_appear(repo):
    init(repo)
    assert sorted(git(repo, "status", "--porcelain").splitlines()) == ["?? autoresearch.yml", "?? program.md"]


def test_works_before_the_first_commit(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "train.py").write_text("")
    assert init(tmp_path).exit_code == 0


def test_from_a_folder_below_it_writes_to_the_top(repo):
    (repo / "deep").mkdir()
    init(repo / "deep")
    assert (repo / "autoresearch.yml").exists() and not (repo / "deep/autoresearch.yml").exists()


@pytest.mark.parametrize("path", ["train.py", "train/train.py", "src/train.py"])
def test_finds_a_plausible_script(tmp_path, path):
    repo = make_repo(tmp_path / "r", {path: "x = 1\n"})
    init(repo)
    assert load(repo).editable == (path,)


@pytest.mark.parametrize("files", [{"main.py": ""}, {"train.py": "", "train/train.py": ""}])
def test_asks_when_it_cannot_know(tmp_path, files):
    result = init(make_repo(tmp_path / "r", files))
    assert result.exit_code == 2 and "--editable FILE" in result.stderr and not (tmp_path / "r/autoresearch.yml").exists()


def test_the_brief_names_the_file(repo):
    init(repo)
    text = (repo / "program.md").read_text()
    assert "Only `train.py`" in text and "`val_bpb`" in text and "$" not in text


def test_several_editable_files(repo):
    init(repo, "--editable", "train.py", "--editable", "model.py")
    assert load(repo).editable == ("train.py", "model.py")


def test_a_command_target(repo):
    init(repo, "--editable", "bench.py", "--command", "python bench.py --n '1 2'", "--metric", "seconds", "--direction", "max")
    settings = load(repo)
    assert (settings.command, settings.metric, settings.direction) == (("python", "bench.py", "--n", "1 2"), "seconds", "max")


def test_a_command_targets_brief_names_the_metric(repo):
    init(repo, "--editable", "bench.py", "--command", "x", "--metric", "speed", "--direction", "max")
    assert "a **higher `speed`**" in (repo / "program.md").read_text()


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (["--editable", "none.py"], "editable"),
        (["--editable", "../x.py"], "editable"),
        (["--name", "a/b"], "name"),
        (["--command", "x"], "metric"),
        (["--metric", "speed"], "metric"),
        (["--command", "'x", "--metric", "s"], "command"),
        (["--direction", "max"], "direction"),
    ],
)
def test_bad_options_write_nothing(repo, options, field):
    result = init(repo, *options)
    assert result.exit_code == 2 and f"{field}: " in result.stderr
    assert not (repo / "autoresearch.yml").exists() and not (repo / "program.md").exists()


def test_never_overwrites(repo):
    (repo / "autoresearch.yml").write_text("mine\n")
    result = init(repo)
    assert result.exit_code == 2 and "exists already" in result.stderr and (repo / "autoresearch.yml").read_text() == "mine\n"


def test_force_keeps_every_old_file(repo):
    for text in ("first\n", "second\n"):
        (repo / "autoresearch.yml").write_text(text)
        assert init(repo, "--force").exit_code == 0
    assert [(repo / f"autoresearch.yml{end}").read_text() for end in (".bak", ".bak2")] == ["first\n", "second\n"]


@pytest.mark.parametrize("options", [[], ["--force"]])
def test_a_brief_that_is_there_stays(repo, options):
    (repo / "program.md").write_text("mine\n")
    assert "kept" in init(repo, *options).output and (repo / "program.md").read_text() == "mine\n"


def test_another_settings_file(repo):
    assert CliRunner().invoke(cli, ["-C", str(repo), "--config", "two.yml", "init"]).exit_code == 0
    assert Settings.load(repo, "two.yml", environ={}).name == "my-repo-1"


def test_next_steps(repo):
    output = init(repo).output
    assert "autoresearch check" in output and "git add autoresearch.yml program.md" in output and "autoresearch run" in output


def test_not_a_repository(tmp_path):
    result = init(tmp_path)
    assert result.exit_code == 2 and "git init" in result.stderr


def test_the_result_can_be_committed(repo):
    init(repo)
    assert commit_all(repo)
