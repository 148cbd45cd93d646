"""The step's environment, read once: `AR_*` (the inputs of action.yml) and what the runner says of the job. UsageError names the input."""

import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, SecretStr, ValidationError

from bot import checks
from bot.errors import UsageError

LONGEST_MINUTES = 7200  # a job on a self-hosted runner ends after 5 days
RESERVE_MINUTES, RESERVE_SHARE = 10.0, 0.1  # of budget-minutes, kept for the run in progress, the report and what is published


def boolean(text: Any) -> bool:
    if text not in ("true", "false"):
        raise ValueError(f"{text!r} is neither true nor false; write exactly one of these")
    return text == "true"


def minutes(text: Any) -> float | None:
    if text == "":
        return None
    if not re.fullmatch(r"\d{1,4}(\.\d{1,3})?", text) or not 0 < float(text) <= LONGEST_MINUTES:
        raise ValueError(f"{text!r} is not a number of minutes from above 0 to {LONGEST_MINUTES}; write it like 480, or leave it empty")
    return float(text)


def count(text: Any) -> int | None:
    if text == "":
        return None
    if not re.fullmatch(r"\d{1,6}", text):
        raise ValueError(f"{text!r} is not a whole number; write one such as 100, 0 for no limit, or leave it empty")
    return int(text)


def dollars(text: Any) -> float | None:
    if text == "":
        return None
    if not re.fullmatch(r"\d{1,6}(\.\d{1,4})?", text) or not float(text):
        raise ValueError(f"{text!r} is not an amount of US dollars above 0; write it like 5 or 2.50, or leave it empty")
    return float(text)


def inside(text: str) -> str:
    path = Path(text)
    if not text.strip() or path.is_absolute() or ".." in path.parts or not text.isprintable():
        raise ValueError(f"{text!r} is not a file of the repository; write its path from the top, such as autoresearch.yml")
    return text


def name(text: str) -> str:
    return checks.branch_component(text) if text else text


def labels(text: Any) -> tuple[str, ...]:
    """Names between commas; GitHub allows 50 characters each."""
    found = tuple(dict.fromkeys(label.strip() for label in text.split(",") if label.strip()))
    if wrong := next((label for label in found if len(label) > 50 or not label.isprintable()), ""):
        raise ValueError(f"{wrong[:60]!r} cannot be a label; write names of at most 50 characters between commas")
    return found


def application(text: str) -> str:
    if text and not re.fullmatch(r"\d{1,12}|Iv[\w.]{1,40}", text):
        raise ValueError(f"{text!r} is not the id of a GitHub App; copy the number (or the client id) from the App's page")
    return text


def key(secret: SecretStr) -> SecretStr:
    if secret.get_secret_value() and "PRIVATE KEY-----" not in secret.get_secret_value():
        raise ValueError("this is not a private key; store the whole .pem file of the GitHub App as the secret")
    return secret


def line(secret: SecretStr) -> SecretStr:
    if re.search(r"\s", secret.get_secret_value()):
        raise ValueError("a token has no spaces or line breaks; store it again")
    return secret


def workflow(text: Any) -> tuple[str, ...]:
    """File names between commas."""
    found = tuple(name.strip() for name in text.split(","))
    for name in found:
        if not re.fullmatch(r"\w[\w.-]{0,99}\.ya?ml", name):
            raise ValueError(f"{name!r} is not the name of a file in .github/workflows; write it like nightly.yml")
    return found


def folder(text: Any) -> Path | None:
    if text == "":
        return None
    if not text.strip() or not text.isprintable():
        raise ValueError(f"{text!r} is not a folder; write its path")
    return Path(text).expanduser()


Flag = Annotated[bool, BeforeValidator(boolean)]


class Job(BaseModel):
    """What the runner tells every step. Empty strings and None: it did not say."""

    model_config = ConfigDict(frozen=True)

    repository: str = ""  # owner/name
    server_url: str = "https://github.com"
    api_url: str = "https://api.github.com"
    run_id: str = ""
    run_attempt: str = ""
    event_name: str = ""
    event_path: Path | None = None
    ref: str = ""
    sha: str = ""
    actor: str = ""
    workspace: Path = Path(".")
    output: Path | None = None
    step_summary: Path | None = None
    temp: Path = Path(tempfile.gettempdir())
    tool_cache: Path | None = None
    interpreter: str = ""  # the one that the `python` input names; the controller's own is made from it

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Job":
        prefixes = {"temp": "RUNNER_", "tool_cache": "RUNNER_", "interpreter": "AR_"}
        named = {field: environ.get(prefixes.get(field, "GITHUB_") + field.upper(), "") for field in cls.model_fields}
        return cls.model_validate({field: value for field, value in named.items() if value})

    @property
    def run_url(self) -> str:
        return f"{self.server_url}/{self.repository}/actions/runs/{self.run_id}" if self.repository and self.run_id else ""

    def state(self) -> Path:
        """Where this repository's ledger lives: in the tool cache, which checkout does not clean. Without one it lasts for this job."""
        return (self.tool_cache or self.temp) / "autoresearch" / "state" / (self.repository or "local")


class Inputs(BaseModel):
    """One field for each input of action.yml (but `python`, which action/install.sh reads), with `_` for `-`."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    mode: Literal["run", "publish", "all", "comment"]
    config: Annotated[str, AfterValidator(inside)]
    name: Annotated[str, AfterValidator(name)]
    budget_minutes: Annotated[float | None, BeforeValidator(minutes)]
    max_experiments: Annotated[int | None, BeforeValidator(count)]  # 0: no limit; None: as in the settings
    max_dollars: Annotated[float | None, BeforeValidator(dollars)]
    proposer: str
    push: Literal["end", "each"]
    draft: Flag
    labels: Annotated[tuple[str, ...], BeforeValidator(labels)]
    comment: Flag
    summary: Flag
    dry_run: Flag
    github_token: Annotated[SecretStr, AfterValidator(line)]
    app_id: Annotated[str, AfterValidator(application)]
    app_private_key: Annotated[SecretStr, AfterValidator(key)]
    state_dir: Annotated[Path | None, BeforeValidator(folder)]
    publication: Annotated[Path | None, BeforeValidator(folder)]
    workflow: Annotated[tuple[str, ...], BeforeValidator(workflow)]
    job: Job

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> "Inputs":
        """From the whole environment. UsageError names every wrong input."""
        values: dict[str, Any] = {field: environ.get(variable(field)) for field in cls.model_fields if field != "job"}
        if missing := [kebab(field) for field, value in values.items() if value is None]:
            raise UsageError(f"{', '.join(missing)}: not handed over by action.yml; use the action as it is, or set these variables AR_*")
        try:
            found = cls.model_validate(values | {"job": Job.read(environ)})
        except ValidationError as error:
            raise UsageError(explain(error)) from None
        if bool(found.app_id) != bool(found.app_private_key.get_secret_value()):
            here, other = ("app-id", "app-private-key") if found.app_id else ("app-private-key", "app-id")
            raise UsageError(f"{other}: empty, though {here} is given; a GitHub App needs both, or leave both empty")
        return found

    @property
    def stop_after_seconds(self) -> float | None:
        """When no new experiment begins: the budget without its reserve."""
        if self.budget_minutes is None:
            return None
        return 60 * (self.budget_minutes - min(RESERVE_MINUTES, RESERVE_SHARE * self.budget_minutes))

    def secrets(self) -> list[str]:
        return [text for secret in (self.github_token, self.app_private_key) if (text := secret.get_secret_value())]


def variable(field: str) -> str:
    """The environment variable that action.yml hands `field` over in."""
    return f"AR_{field.upper()}"


def kebab(field: str) -> str:
    """The input's name in a workflow."""
    return field.replace("_", "-")


def explain(error: ValidationError) -> str:
    """All wrong inputs in one message: its name, what is wrong, the fix. Never a secret's value."""
    lines = []
    for item in error.errors():
        what = str(item["ctx"]["error"]) if item["type"] == "value_error" else f"{item['msg'].replace('Input should be', 'must be')}"
        lines.append(f"{kebab(str(item['loc'][0]))}: {what}")
    return lines[0] if len(lines) == 1 else "\n  ".join([f"{len(lines)} inputs are wrong", *lines])
