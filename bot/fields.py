"""What is researched, how it is measured, what may be spent: the fields of autoresearch.yml that need no proposer."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from bot import checks
from bot import devices as gpus
from bot.readable import readable_paths

Device = Literal["cpu", "cuda", "mps"]
Auto = Literal["auto"]
DURATION = WithJsonSchema({"type": ["string", "null"]})
ONE_OR_MORE = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]})
DEVICES = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "array", "items": {"type": ["string", "integer"]}}]})
COMMAND = WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}, {"type": "null"}]})
TEXT = WithJsonSchema({"type": "string"})


def whole(low: int, high: int | None = None) -> Any:
    return Annotated[int, Field(strict=True, ge=low, le=high)]


class Research(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True, title="autoresearch.yml")

    name: Annotated[str, AfterValidator(checks.branch_component)] = Field(
        "research",
        description="Name of this research; its kept changes are commits on the branch `autoresearch/<name>`.",
        examples=["nightly"],
    )
    base: Annotated[str, AfterValidator(checks.revision)] = Field(
        "HEAD",
        description="Branch, tag or commit that the research starts from. Read once, when it starts.",
        examples=["main"],
    )
    editable: Annotated[tuple[str, ...], BeforeValidator(checks.as_list), AfterValidator(checks.editable), ONE_OR_MORE] = Field(
        description="Files that a proposal may change. Nothing else of the repository ever changes.",
        examples=["[train.py]"],
    )
    locked: Annotated[tuple[str, ...], BeforeValidator(checks.as_list), AfterValidator(checks.locked), ONE_OR_MORE] = Field(
        (),
        description="Files and folders that a measurement needs beside the editable ones. They always come from the base commit.",
        examples=["[helpers/, tests/]"],
    )
    program: Annotated[str, AfterValidator(checks.program)] = Field(
        "program.md",
        description="The research brief that a human writes: goal, rules, directions.",
        examples=["program.md"],
    )
    python: Annotated[str, AfterValidator(checks.interpreter)] = Field(
        "auto",
        description="Interpreter that trains and scores; it needs torch and numpy. `auto` is the one that runs autoresearch.",
        examples=[".venv/bin/python"],
    )
    command: Annotated[tuple[str, ...] | None, BeforeValidator(checks.as_words), AfterValidator(checks.command), COMMAND] = Field(
        None,
        description="Measure this command instead of a model's bits per byte. It prints lines `METRIC name=value` and exits 0. "
        'No shell runs it (write ["bash", "-c", "..."] for one); a first word `python` is the interpreter above.',
        examples=["python bench.py"],
    )
    metric: Annotated[str, AfterValidator(checks.metric)] = Field(
        "val_bpb",
        description="What is measured: `val_bpb`, validation bits per byte, or the name in the command's METRIC line that decides.",
        examples=["seconds"],
    )
    direction: Annotated[Literal["min", "max"], AfterValidator(checks.direction)] = Field(
        "min",
        description="Whether a smaller (`min`) or a larger (`max`) metric is better.",
        examples=["min"],
    )
    entry: Annotated[str, AfterValidator(checks.entry)] = Field(
        "",
        description="The editable file that trains and has `load_model`. By default the first one.",
        examples=["train.py"],
    )
    corpus: Annotated[str, AfterValidator(checks.corpus)] = Field(
        "embedded",
        description="Text to train and score on: `embedded` (documentation, 6 MB, fetched with pip), `path:DIR` (a folder of .txt, .jsonl "
        "or .parquet files), or `climbmix` or `tinystories` from the Hugging Face hub: as much as the budget can read once, while "
        "`climbmix:8` is 8 shards of 250 MB.",
        examples=["climbmix"],
    )
    vocab_size: whole(512, 65536) | Auto = Field(
        "auto",
        description="Size of the tokenizer's vocabulary. `auto` is 2048 on a CPU, 8192 on an accelerator.",
        examples=[4096],
    )
    sequence_length: whole(16, 65536) | Auto = Field(
        "auto",
        description="Tokens in one training or scoring sequence. `auto` is 256 on a CPU, 2048 on an accelerator.",
        examples=[512],
    )
    eval_tokens: Annotated[whole(1) | Auto, AfterValidator(checks.eval_tokens)] = Field(
        "auto",
        description="Validation tokens that one measurement scores. `auto` is 32768 on a CPU, 1048576 on an accelerator.",
        examples=[65536],
    )
    budget: Annotated[str, BeforeValidator(checks.budget), TEXT] = Field(
        "auto",
        description="Training time of one measurement (a command's whole run): wall time like `5m`, or CPU time like `10s cpu`. "
        "`auto` is `10s cpu` on a CPU, `5m` on an accelerator.",
        examples=["5m"],
    )
    device: Device | Auto = Field(
        "auto",
        description="Where candidates run. `auto` is the best device that torch finds.",
        examples=["cpu"],
    )
    devices: Annotated[tuple[str, ...], BeforeValidator(gpus.listed), AfterValidator(gpus.checked), DEVICES] = Field(
        (),
        description="Devices to measure on at once: GPUs as `nvidia-smi -L` names them, parts of a CPU like `[cpu:0-3, cpu:4-7]`, or "
        "`auto`: every GPU, or of a CPU as many parts as a trial finds to pay. On each further one works a scout, a run of its own; all "
        "take up each other's kept changes, and share `max_dollars`, `max_tokens` and `max_machine_minutes`.",
        examples=["[0, 1]"],
    )
    sandbox: Literal["auto", "require", "none"] = Field(
        "auto",
        description="Isolation of candidates and commands: `auto` is the strongest that this machine has (bubblewrap, else Landlock with "
        "a system call filter, else none and a loud warning), `require` refuses to run with none, `none` uses none. Every result records "
        "it; `autoresearch doctor` says what this machine gets, and how to get more.",
        examples=["auto"],
    )
    proposer: Annotated[str, AfterValidator(checks.proposer)] = Field(
        "constants",
        description="Who proposes changes: `constants` (tunes the UPPER_CASE numbers at the top of the editable files; needs no model), "
        "`llm` (asks `models`), `agent` (runs `agent`, a coding agent), `hybrid` (constants first, code when they stall) or `replay:DIR` "
        "(the patches of a folder, in order).",
        examples=["replay:patches"],
    )
    baseline_seeds: whole(4, 64) = Field(
        4,
        description="Runs of the unchanged target before the first proposal. They measure the noise, which takes at least 4.",
        examples=[4],
    )
    margin: Annotated[float, BeforeValidator(checks.number), Field(gt=0, allow_inf_nan=False)] | None = Field(
        None,
        description="How far apart two means may be and still count as equal, in the metric's unit: a shorter change that loses less is "
        "kept, a kept one that brings less is taken out again. `null`: one standard deviation of the measured noise.",
        examples=["0.001"],
    )
    limits: Annotated[dict[str, str], AfterValidator(checks.limits)] = Field(
        {},
        description="What a change may not exceed beside the metric: `peak_memory`, `parameters`, `tokens_per_second`, `steps`, "
        "`startup_seconds`, `eval_seconds` or a METRIC of the command, each with a bound such as `<= 110%` (of the baseline's), `<= 40GB` "
        "or `>= 1.5e5`.",
        examples=['{peak_memory: "<= 110%"}'],
    )
    early_stopping: Annotated[bool, Field(strict=True)] = Field(
        True,
        description="End a screening run whose reported loss is clearly behind the champion's, once this night's runs have shown what that "
        "means. Commands report no loss, so it does nothing there.",
        examples=[True],
    )
    reserve: Annotated[str, BeforeValidator(checks.share), TEXT] = Field(
        "10%",
        description="Share of `stop_after` (without one: of all runs) that is kept for confirming what was kept, as far as it is needed.",
        examples=["10%"],
    )
    max_experiments: whole(1) | None = Field(
        None,
        description="Experiments in one `run`. `null`: no limit.",
        examples=[100],
    )
    stop_after: Annotated[str | None, BeforeValidator(checks.duration), DURATION] = Field(
        "8h",
        description="Start no new experiment when `run` has lasted this long. `null`: no limit.",
        examples=["90m"],
    )
    state_dir: Annotated[Path, AfterValidator(checks.state_dir), TEXT] = Field(
        Path(".autoresearch"),
        description="Folder for the ledger, patches, worktrees and reports; from the repository's top unless absolute.",
        examples=[".autoresearch"],
    )
    readable: Annotated[tuple[str, ...], BeforeValidator(checks.as_list), AfterValidator(readable_paths), ONE_OR_MORE] = Field(
        (),
        description="Files and folders that a candidate or command may read beside its own, the system and the interpreter: absolute, or "
        "from `~`. Everything else of this machine is closed to it, where there is a sandbox.",
        examples=["[/opt]"],
    )
