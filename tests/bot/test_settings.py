"""autoresearch.yml: every bad input is one UsageError that names the file, the field, the problem and the fix."""

import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bot import template, yamlfile
from bot.errors import UsageError
from bot.settings import FROM_ENVIRONMENT, Settings, schema

TOP = Path(__file__).parents[2]
CONTRACT = {
    "name", "base", "editable", "locked", "entry", "program", "python", "corpus", "vocab_size", "sequence_length", "eval_tokens", "budget",
    "device", "devices", "sandbox", "command", "metric", "direction", "proposer", "baseline_seeds", "margin", "limits", "early_stopping",
    "reserve", "max_experiments", "stop_after", "state_dir", "readable", "models", "agent", "prompt_tokens", "attempts", "repairs",
    "max_dollars", "max_tokens", "max_machine_minutes", "target", "patience",
}  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "target"
    for path in ("train.py", "model.py", "bench.py", "program.md", ".git/HEAD", ".git/hooks.py", ".github/x.py", "lib/a.py", "docs/a.txt"):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("x = 1\n")
    (tmp_path / "outside.py").write_text("x = 1\n")
    (root / "escape.py").symlink_to(tmp_path / "outside.py")
    (root / "alias.py").symlink_to(root / "train.py")
    (root / "up").symlink_to(tmp_path)
    return root


def load(root: Path, text: str, environ: dict[str, str] | None = None, **overrides: object) -> Settings:
    (root / "autoresearch.yml").write_text(text)
    return Settings.load(root, overrides=overrides, environ=environ or {})


def problem(root: Path, text: str, **more: object) -> str:
    with pytest.raises(UsageError) as caught:
        load(root, text, **more)
    assert caught.value.exit_code == 2
    return str(caught.value)


def test_fields_are_exactly_those_of_the_contract():
    assert set(Settings.model_fields) == CONTRACT


def test_defaults(root):
    settings = load(root, "editable: [train.py]")
    assert settings.model_dump() | {"python": "", "root": settings.root} == {
        "name": "research", "base": "HEAD", "editable": ("train.py",), "locked": (), "program": "program.md", "command": None,
        "metric": "val_bpb", "direction": "min", "entry": "train.py", "python": "", "corpus": "embedded", "vocab_size": "auto",
        "sequence_length": "auto", "eval_tokens": "auto", "budget": "auto", "device": "auto", "devices": (), "sandbox": "auto",
        "proposer": "constants", "baseline_seeds": 4, "margin": None, "limits": {}, "early_stopping": True, "reserve": "10%",
        "max_experiments": None, "stop_after": "8h", "state_dir": Path(".autoresearch"), "readable": (),
        "models": (), "agent": None, "prompt_tokens": 60000, "attempts": 3, "repairs": 1, "max_dollars": None, "max_tokens": None,
        "max_machine_minutes": None, "target": None, "patience": None, "root": root,
    }  # fmt: skip


BAD_PARTS = [
    ("models: [{}]", "models[0].model: missing"),
    ("models: [{model: a}, {model: b, tiemout: 5m}]", "models[1].tiemout: unknown key; did you mean `timeout`?"),
    ("models: {model: a, timeout: 0s}", "models[0].timeout: '0s' is not a duration"),
    ("models: {model: a, key: sk-1234}", "models[0].key: this is not the name of an environment variable"),
    ("models: {model: a, base_url: api.example.com}", "models[0].base_url: 'api.example.com' is not the address of a server"),
    ("models: {model: a, base_url: 'https://me:secret@example.com/v1'}", "models[0].base_url: the address holds a password"),
    ("models: {model: a, base_url: 'http://example.com/v1'}", "models[0].key: the key would travel unencrypted"),
    ("models: {model: a, temperature: 3}", "models[0].temperature: 3 should be less than or equal to 2"),
    ("models: {model: a, input_price: -1}", "models[0].input_price: -1 should be greater than or equal to 0"),
    ("agent: {command: claude}", "agent.command: nothing tells the agent what to do"),
    ("agent: {command: []}", "agent.command: an empty command"),
    ("agent: {command: 'a {prompt}', environment: ['A=b']}", "agent.environment: 'A=b' is not the name of an environment variable"),
    ("proposer: llm", "models: missing; `proposer: llm` needs at least one"),
    ("proposer: agent", "agent: missing; `proposer: agent` needs a command"),
    ("proposer: hybrid", "agent: missing; `proposer: hybrid` without `models:` needs a command"),
]


@pytest.mark.parametrize(("text", "said"), BAD_PARTS)
def test_a_bad_part_is_named_with_its_place(root, text, said):
    assert said in problem(root, f"editable: train.py\n{text}\n")


def test_a_key_that_was_written_in_by_mistake_is_not_repeated(root):
    text = "editable: train.py\nmodels: {model: a, key: sk-1234, base_url: 'https://me:secret@example.com/v1'}\n"
    assert not {"sk-1234", "secret"} & set(problem(root, text).replace("@", " ").replace(":", " ").split())


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1", "10.1.2.3", "192.168.0.7:11434", "gpu-box", "box.local"])
def test_a_key_may_travel_in_the_clear_at_home(root, host):
    assert load(root, f"editable: train.py\nmodels: {{model: a, base_url: 'http://{host}/v1'}}").models[0].key == "OPENAI_API_KEY"


def test_settings_cannot_be_changed(root):
    with pytest.raises(ValidationError):
        load(root, "editable: train.py").name = "other"


BAD_FIELDS = {
    "name": ["a/b", "''", "a..b", ".a", "a.lock", "a b", "-x", "ledger", "5", "'a:b'"],
    "base": ["''", "a b", "--all", "a..b"],
    "editable": ["[]", "missing.py",
                 "../outside.py", "/etc/passwd", "escape.py", "up/outside.py", "alias.py", ".git/hooks.py", ".github/x.py",
                 "autoresearch.yml", "program.md", "lib", "''", ".", "[train.py, ./train.py]", "3", "~/x.py", "lib/../../outside.py"],
    "locked": ["train.py", "../outside.py", "docs/../lib", "up", "missing.txt", ".git", "./", "7"],
    "program": ["/etc/motd", "../brief.md", "train.py"],
    "command": ["''", "[]", "\"python 'x\"", "[1, 2]", "{a: b}"],
    "metric": ["seconds", "''"],
    "direction": ["max", "up", "down"],
    "entry": ["model.py", "../outside.py", "missing.py"],
    "python": ["no-such-python", "./.venv/bin/python", "/nowhere/python", "train.py"],
    "corpus": ["wiki", "'path:'", "path:nowhere", "path:train.py", "embed"],
    "vocab_size": ["511", "65537", "-1", "big", "1024.5", "true", "'4096'", "null"],
    "sequence_length": ["0", "-256", "many", "1.5"],
    "eval_tokens": ["0", "-5", "all"],
    "budget": ["-5m", "0s", "5", "5 minutes", "5m gpu", "''", "300", "null"],
    "device": ["gpu", "cuda:0", "true"],
    "devices": ["first", "-1", "[0, 0]", "'0,'", "true", "{a: b}"],
    "sandbox": ["'yes'", "docker", "false"],
    "proposer": ["gpt", "replay", "'replay:'", "replay:nowhere", "replay:train.py", "constant"],
    "baseline_seeds": ["0", "1", "3", "-4", "65", "four", "true"],
    "margin": ["0", "-1", "small", ".inf", "true"],
    "limits": ["3", "[a]", "{peak_memory: 3}", "{peak_memory: '< 3'}", "{peak_memory: '<= 3 parsecs'}", "{'': '<= 3'}"],
    "early_stopping": ["3", "'on'"],
    "reserve": ["10", "'100%'", "'-1%'", "much"],
    "max_experiments": ["0", "-1", "many", "2.5"],
    "stop_after": ["-6m", "0m", "6", "soon", "6 m"],
    "state_dir": [".", "..", "train.py", ".git", ".git/x", "3"],
    "readable": ["lib", "/no/such/folder", "/", "'~'", "/proc/self", "3", "[/opt, models]"],
    "models": ["3", "gpt", "[{model: a, weight: 0}]"],
    "agent": ["3", "claude"],
    "prompt_tokens": ["0", "many"],
    "attempts": ["0", "11"],
    "repairs": ["-1", "6"],
    "max_dollars": ["0", "-1", ".inf", "true", "much"],
    "max_tokens": ["0", "1.5"],
    "max_machine_minutes": ["0", "8h"],
    "target": ["low", ".nan", "true"],
    "patience": ["0", "2.5"],
}  # fmt: skip


@pytest.mark.parametrize(("field", "value"), [(f, v) for f, values in BAD_FIELDS.items() for v in values])
def test_a_bad_value_names_its_file_line_and_field(root, field, value):
    text = f"{field}: {value}\n" if field == "editable" else f"editable: train.py\n{field}: {value}\n"
    assert problem(root, text).startswith(f"autoresearch.yml:{text.count(chr(10))}: {field}: ")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("editable: missing.py", "editable file missing"),
        ("editable: ../outside.py", "outside the repository"),
        ("editable: escape.py", "outside the repository"),
        ("editable: alias.py", "symbolic link"),
        ("editable: train.py\nlocked: [train.py]", "overlaps the editable file 'train.py'"),
        ("editable: lib/a.py\nlocked: lib", "overlaps the editable file 'lib/a.py'"),
        ("editable: train.py\nbudget: -5m", "'-5m' is not a duration; write it like 90s, 5m"),
        ("editable: train.py\nbudget: 5m gpu", "10s cpu"),
        ("editable: train.py\nbaseline_seeds: 2", "greater than or equal to 4; write it like `baseline_seeds: 4`"),
        ("editable: train.py\nvocab_size: 100", "greater than or equal to 512 or 'auto'"),
        ("editable: train.py\nsequence_length: 512\neval_tokens: 256", "at least sequence_length, 512"),
        ("editable: train.py\nname: ledger", "reserved"),
        ("editable: train.py\nmetric: seconds", "set `command`"),
        ("editable: train.py\ncommand: python bench.py", "metric: a command needs the name of its own metric"),
        ("editable: train.py\nreadable: lib", "'lib' is not absolute; write it from `/` or `~`"),
        ("editable: train.py\nreadable: /", "holds your home folder, keys and all; name only what a candidate needs"),
        ("name: x", "editable: missing; write it like `editable: [train.py]`"),
    ],
)
def test_the_message_says_what_to_do(root, text, words):
    assert words in problem(root, text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "autoresearch.yml is empty"),
        ("# only a comment\n", "autoresearch.yml is empty"),
        ("- train.py\n", "autoresearch.yml:1: must be lines of `key: value`, not a sequence"),
        ("just words\n", "not a scalar"),
        ("editable: [train.py\nname: x\n", "autoresearch.yml:2:5: invalid YAML"),
        ("name: a\n\teditable: x\n", "autoresearch.yml:2:1: invalid YAML"),
        ("name: 'a\n", "invalid YAML"),
        ("editable: train.py\nname: a\nname: b\n", "autoresearch.yml:3: duplicate key `name` (first on line 2)"),
        ("editable: !!python/object:os.system x\n", "invalid YAML"),
        ("a: 1\n---\nb: 2\n", "invalid YAML"),
        ("editable: train.py\n? [a]\n: b\n", "must be a plain word"),
        ("name: \x00\n", "invalid YAML"),
        ("name: 2026-99-99\n", "invalid YAML"),
    ],
)
def test_a_broken_file_is_one_clear_sentence(root, text, words):
    assert words in problem(root, text)


def test_missing_file_names_init(root):
    with pytest.raises(UsageError, match="nothere.yml does not exist; write one with `autoresearch init`"):
        Settings.load(root, "nothere.yml", environ={})


def test_not_utf8(root):
    (root / "autoresearch.yml").write_bytes(b"name: \xff\n")
    with pytest.raises(UsageError, match="not UTF-8"):
        Settings.load(root, environ={})


def test_a_folder_in_place_of_the_file(root):
    (root / "autoresearch.yml").mkdir()
    with pytest.raises(UsageError, match="cannot be read"):
        Settings.load(root, environ={})


def test_the_settings_file_itself_is_never_editable(root):
    (root / "other.yml").write_text("editable: other.yml\n")
    with pytest.raises(UsageError, match="sets the rules"):
        Settings.load(root, "other.yml", environ={})


@pytest.mark.parametrize(("typo", "meant"), [("budgt", "budget"), ("editables", "editable"), ("max_experiment", "max_experiments")])
def test_unknown_key_suggests_the_nearest(root, typo, meant):
    assert f"{typo}: unknown key; did you mean `{meant}`?" in problem(root, f"editable: train.py\n{typo}: 1\n")


def test_unknown_key_far_from_all_lists_the_keys(root):
    assert "unknown key; the keys are name, base, editable" in problem(root, "editable: train.py\nqqqq: 1\n")


def test_all_bad_fields_are_listed_at_once(root):
    text = problem(root, "editable: missing.py\nbudget: -1s\nvocab_size: 1\nnope: 1\n")
    assert [line.split(": ")[1] for line in text.splitlines()[1:]] == ["editable", "vocab_size", "budget", "nope"]


VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.lists(st.text(max_size=5), max_size=3)


@hypothesis_settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(sorted(CONTRACT)), VALUES, max_size=6))
def test_any_values_give_settings_or_a_usage_error(values):
    try:
        assert Settings.build(TOP, values).editable
    except UsageError as error:
        assert any(name in str(error) for name in CONTRACT)


@pytest.mark.parametrize("name", [name for name in FROM_ENVIRONMENT if name != "devices"])
def test_the_environment_wins_over_the_file(root, name):
    value = {"python": sys.executable, "device": "mps", "sandbox": "require", "state_dir": "/somewhere/else"}[name]
    settings = load(root, "editable: train.py\ndevice: cpu\nsandbox: none\n", environ={f"AUTORESEARCH_{name.upper()}": value})
    assert str(getattr(settings, name)) == value


def test_options_win_over_the_environment(root):
    assert load(root, "editable: train.py", environ={"AUTORESEARCH_DEVICE": "mps"}, device="cpu").device == "cpu"


def test_a_bad_variable_is_named(root):
    assert problem(root, "editable: train.py", environ={"AUTORESEARCH_DEVICE": "gpu"}).startswith("AUTORESEARCH_DEVICE: device: ")


def test_a_bad_option_is_named(root):
    assert problem(root, "editable: train.py", stop_after="soon").startswith("--stop-after: stop_after: ")


@pytest.mark.parametrize(
    ("device", "expected"),
    [("cpu", (2048, 256, 32768, "10s cpu")), ("cuda", (8192, 2048, 1048576, "5m")), ("mps", (8192, 2048, 1048576, "5m"))],
)
def test_auto_is_resolved_by_device(root, device, expected):
    s = load(root, "editable: train.py").resolved(device)
    assert (s.vocab_size, s.sequence_length, s.eval_tokens, s.budget, s.device) == (*expected, device)


def test_resolving_keeps_what_was_written(root):
    s = load(root, "editable: train.py\nvocab_size: 4096\nbudget: 90s\n").resolved("cpu")
    assert (s.vocab_size, s.budget, s.limit.seconds, s.limit.clock) == (4096, "90s", 90, "wall")


def test_resolving_keeps_the_root(root):
    assert load(root, "editable: train.py").resolved("cpu").root == root


def test_resolved_eval_tokens_hold_a_whole_sequence(root):
    assert load(root, "editable: train.py\nsequence_length: 65536").resolved("cpu").eval_tokens == 65536


def test_budgets_and_durations_are_canonical(root):
    s = load(root, "editable: train.py\nbudget: 60s   cpu\nstop_after: 90m\n")
    assert (s.budget, s.stop_after, s.stop_after_seconds) == ("1m cpu", "90m", 5400)


def test_stop_after_null_is_no_limit(root):
    assert load(root, "editable: train.py\nstop_after: null\n").stop_after_seconds is None


@pytest.mark.parametrize(
    ("written", "words"), [("python 'a b.py' -q", ("python", "a b.py", "-q")), ('["bash", "-c", "a | b"]', ("bash", "-c", "a | b"))]
)
def test_a_command_is_words_without_a_shell(root, written, words):
    assert load(root, f"editable: bench.py\ncommand: {written}\nmetric: seconds\n").command == words


def test_a_command_target_may_maximize(root):
    assert load(root, "editable: bench.py\ncommand: python bench.py\nmetric: speed\ndirection: max\n").direction == "max"


def test_entry_may_be_another_editable_file(root):
    assert load(root, "editable: [model.py, train.py]\nentry: ./train.py").entry == "train.py"


def test_corpus_folder_is_made_absolute(root):
    assert load(root, "editable: train.py\ncorpus: path:docs").corpus == f"path:{root}/docs"


@pytest.mark.parametrize(
    ("extra", "path", "what"),
    [
        ("", "{root}", "the state folder"),
        ("state_dir: {tmp}/state\n", "{tmp}/state/ledger", "the state folder"),
        ("state_dir: {tmp}/state\n", "{tmp}", "the state folder"),
        ("", "{root}/.git", "git's own folder"),
        ("", "{tmp}/cache/corpora", "the corpus cache"),
        ("corpus: path:docs\n", "{root}/docs/a.txt", "the corpus"),
        ("", "{tmp}/to-the-cache", "the corpus cache"),
    ],
)
def test_nothing_readable_may_open_what_is_private(root, tmp_path, monkeypatch, extra, path, what):
    monkeypatch.setenv("AUTORESEARCH_CACHE", str(tmp_path / "cache"))
    for folder in ("cache/corpora", "state/ledger"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "to-the-cache").symlink_to(tmp_path / "cache")
    text = f"editable: train.py\n{extra}readable: {path}\n".format(root=root, tmp=tmp_path)
    assert f"would open {what}" in problem(root, text)


def test_the_git_folder_of_a_worktree_is_private_too(root, tmp_path):
    subprocess.run(["rm", "-r", root / ".git"], check=True)
    (tmp_path / "main/.git/worktrees/x").mkdir(parents=True)
    (root / ".git").write_text(f"gitdir: {tmp_path}/main/.git/worktrees/x\n")
    assert "git's own folder" in problem(root, f"editable: train.py\nreadable: {tmp_path}/main\n")


def test_readable_paths_are_resolved(root, tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "link").symlink_to("models")
    assert load(root, f"editable: train.py\nreadable: {tmp_path}/link\n").readable == (str(tmp_path / "models"),)


def test_relative_interpreter_is_found_from_the_root(root):
    (root / "venv").symlink_to(Path(sys.executable).parent)
    assert load(root, f"editable: train.py\npython: venv/{Path(sys.executable).name}").python == f"{root}/venv/{Path(sys.executable).name}"


def test_branch(root):
    assert load(root, "editable: train.py\nname: nightly").branch == "autoresearch/nightly"


def test_committed_schema_is_current():
    made = subprocess.run([sys.executable, "-m", "bot.settings", "--schema"], cwd=TOP, capture_output=True, text=True, check=True).stdout
    assert made == (TOP / "schema/autoresearch.schema.json").read_text()


def test_schema_is_valid_and_accepts_this_repository():
    jsonschema.Draft202012Validator.check_schema(schema())
    jsonschema.validate(yaml.safe_load((TOP / "autoresearch.yml").read_text()), schema())


@pytest.mark.parametrize(
    "text",
    ["name: x", "editable: a\nbudgt: 1", "editable: a\nvocab_size: 100", "editable: a\nbaseline_seeds: 2", "editable: a\ndevice: gpu"],
)
def test_schema_rejects(text):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(yaml.safe_load(text), schema())


@pytest.mark.parametrize(
    "text", ["editable: a\ncommand: x", "editable: a\ncommand: [a, b]", "editable: [a, b]\nstop_after: null\nvocab_size: auto"]
)
def test_schema_accepts_every_way_of_writing(text):
    jsonschema.validate(yaml.safe_load(text), schema())


@pytest.mark.parametrize("name", sorted(CONTRACT))
def test_every_field_is_described_in_schema_and_template(name):
    description = Settings.model_fields[name].description
    assert description and schema()["properties"][name]["description"] == description
    comments = " ".join(line.removeprefix("# ") for line in template.config({"editable": ["a"]}).splitlines())
    assert description in comments


def test_template_schema_and_model_name_the_same_fields():
    shown = [line.removeprefix("# ") for line in template.config({}).splitlines()]
    keys = {line.split(":")[0] for line in shown if line.split(":")[0] in CONTRACT}
    uncommented, _ = yamlfile.parse("\n".join(line for line in shown if line.split(":")[0] in CONTRACT), "template")
    assert keys == set(uncommented) == set(schema()["properties"]) == set(Settings.model_fields)


def test_the_template_shows_the_defaults(root):
    lines = [line.removeprefix("# ") for line in template.config({"editable": ["train.py"]}).splitlines()]
    shown = "\n".join(line for line in lines if line.split(":")[0] in CONTRACT)
    assert load(root, shown) == load(root, "editable: [train.py]")


def test_every_example_is_accepted(root):
    for name, field in Settings.model_fields.items():
        if name == "python":
            continue
        (root / "data").mkdir(exist_ok=True), (root / "patches").mkdir(exist_ok=True), (root / "helpers").mkdir(exist_ok=True)
        (root / "tests").mkdir(exist_ok=True)
        base = {"editable": "[train.py]"} | ({"command": "x"} if name == "metric" else {}) | ({"metric": "s"} if name == "command" else {})
        text = "\n".join(f"{key}: {value}" for key, value in (base | {name: field.examples[0]}).items())
        assert load(root, text), text


def test_this_repository_has_a_valid_target():
    settings = Settings.load(TOP, environ={})
    assert (settings.name, settings.stop_after, settings.resolved("cpu").budget) == ("demo", "6m", "10s cpu")
