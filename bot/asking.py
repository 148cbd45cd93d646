"""Who proposes, what that may cost, and when the search stops: fields of autoresearch.yml."""

import re
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo

from bot import checks
from bot.fields import COMMAND, ONE_OR_MORE, TEXT, Research, whole
from eval.budget import parse_duration

OPENAI = "https://api.openai.com/v1"
NEAR = re.compile(r"localhost|127\..*|::1|10\..*|192\.168\..*|172\.(1[6-9]|2\d|3[01])\..*|[\w-]+|.*\.(local|internal|lan)")


def url(text: str, info: ValidationInfo) -> str:
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        parts, host = None, ""
    if not parts or parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise ValueError(f"{text!r} is not the address of a server; write it like {OPENAI} or http://localhost:8000/v1")
    if parts.username or parts.password:
        raise ValueError("the address holds a password; leave it out and name the environment variable of the key with `key:`")
    return text.rstrip("/")


def variable(text: str, info: ValidationInfo) -> str:
    if text and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", text):
        raise ValueError("this is not the name of an environment variable; write the name, never the key itself, such as OPENAI_API_KEY")
    address = info.data.get("base_url", "")
    if text and address.startswith("http:") and not NEAR.fullmatch(urlsplit(address).hostname or ""):
        raise ValueError(f'the key would travel unencrypted to {address}; use https, or `key: ""` for a server that wants none')
    return text


def variables(names: tuple[str, ...]) -> tuple[str, ...]:
    if wrong := [name for name in names if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", name)]:
        raise ValueError(f"{wrong[0][:40]!r} is not the name of an environment variable; write names such as ANTHROPIC_API_KEY, no keys")
    return names


def one_or_more(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


def asked(models: tuple["ModelSettings", ...], info: ValidationInfo) -> tuple["ModelSettings", ...]:
    if info.data.get("proposer") == "llm" and not models:
        raise ValueError("missing; `proposer: llm` needs at least one, such as `models: [{model: gpt-5-mini}]`")
    if models and not any(model.weight for model in models):
        raise ValueError("every weight is 0; give at least one model a weight above 0")
    return models


def called(agent: "AgentSettings | None", info: ValidationInfo) -> "AgentSettings | None":
    proposer = info.data.get("proposer")
    if agent is None and (proposer == "agent" or proposer == "hybrid" and not info.data.get("models")):
        needs = "`proposer: agent`" if proposer == "agent" else "`proposer: hybrid` without `models:`"
        raise ValueError(f"missing; {needs} needs a command, such as `agent: {{command: [claude, -p, '{{prompt}}']}}`")
    return agent


def template(words: tuple[str, ...] | None) -> tuple[str, ...]:
    if not words or not words[0].strip():
        raise ValueError("an empty command; write the agent's, such as [claude, -p, '{prompt}']")
    if not any(name in word for word in words for name in ("{prompt}", "{prompt_file}")):
        raise ValueError("nothing tells the agent what to do; put {prompt} or {prompt_file} where its text goes")
    return words


PRICE = Annotated[float, BeforeValidator(checks.number), Field(ge=0, allow_inf_nan=False)] | None
AMOUNT = Annotated[float, BeforeValidator(checks.number), Field(gt=0, allow_inf_nan=False)] | None


class ModelSettings(BaseModel):
    """One model of a server that speaks OpenAI's API."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    model: Annotated[str, Field(min_length=1, max_length=200)] = Field(description="Name of the model, as the server knows it.")
    base_url: Annotated[str, AfterValidator(url)] = Field(OPENAI, description="Address of the API.")
    api: Literal["chat", "responses"] = Field("chat", description="Chat completions, which every server has, or responses.")
    key: Annotated[str, AfterValidator(variable)] = Field(
        "OPENAI_API_KEY", description='Name of the environment variable that holds the key; `""` for a server that wants none.'
    )
    weight: Annotated[float, BeforeValidator(checks.number), Field(ge=0, allow_inf_nan=False)] = Field(
        1.0, description="How often it is asked beside the others, until the night has shown what each brings."
    )
    temperature: Annotated[float, BeforeValidator(checks.number), Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    input_price: PRICE = Field(None, description="Dollars for a million tokens of the prompt.")
    cached_price: PRICE = Field(None, description="Dollars for a million of them that the server had seen before.")
    output_price: PRICE = Field(None, description="Dollars for a million tokens of the answer.")
    timeout: Annotated[str, BeforeValidator(checks.duration), TEXT] = Field("5m", description="Longest wait for one answer.")
    max_tokens: whole(256, 1_000_000) = Field(16000, description="Longest answer.")

    @property
    def timeout_seconds(self) -> float:
        return parse_duration(self.timeout)


class AgentSettings(BaseModel):
    """A coding agent on the command line."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    command: Annotated[tuple[str, ...], BeforeValidator(checks.as_words), AfterValidator(template), COMMAND] = Field(
        description="Its words. `{prompt}` is the text, `{prompt_file}` a file that holds it, `{worktree}` the folder it works in."
    )
    timeout: Annotated[str, BeforeValidator(checks.duration), TEXT] = Field("15m", description="Longest time for one change.")
    environment: Annotated[tuple[str, ...], BeforeValidator(checks.as_list), AfterValidator(variables), ONE_OR_MORE] = Field(
        (), description="Names of the variables that it gets beside PATH, HOME, LANG and TERM: its own keys."
    )

    @property
    def timeout_seconds(self) -> float:
        return parse_duration(self.timeout)


class Asking(Research):
    models: Annotated[tuple[ModelSettings, ...], BeforeValidator(one_or_more), AfterValidator(asked)] = Field(
        (),
        description="Language models that `proposer: llm` asks, one or several: each a `model` with, as needed, `base_url` (any server "
        "that speaks OpenAI's API), `key` (name of the environment variable that holds it), `api` (chat or responses), `weight`, "
        "`temperature`, `effort`, `input_price`, `cached_price` and `output_price` (dollars for a million tokens), `timeout` and "
        "`max_tokens`.",
        examples=["[{model: gpt-5-mini}]"],
    )
    agent: Annotated[AgentSettings | None, AfterValidator(called)] = Field(
        None,
        description="The coding agent that `proposer: agent` runs: its `command` with {prompt} or {prompt_file} in it, a `timeout`, and "
        "in `environment` the names of the variables that hold its own keys.",
        examples=['{command: [claude, -p, "{prompt}"], environment: [ANTHROPIC_API_KEY]}'],
    )
    prompt_tokens: whole(4000, 2_000_000) = Field(
        60000,
        description="Longest prompt, in tokens. What does not fit is left out, the least instructive first.",
        examples=[60000],
    )
    attempts: whole(1, 10) = Field(
        3,
        description="Answers to one question. One that cannot be measured goes back with the reason, as long as there are any left.",
        examples=[3],
    )
    repairs: whole(0, 5) = Field(
        1,
        description="Times that a change which crashed, ran out of memory or out of time in its real run goes back to be mended.",
        examples=[1],
    )
    max_dollars: AMOUNT = Field(
        None,
        description="What one `run` may spend on models. `null`: no limit.",
        examples=[5.0],
    )
    max_tokens: whole(1) | None = Field(
        None,
        description="Tokens, of prompts and answers together, that one `run` may use. `null`: no limit.",
        examples=[2000000],
    )
    max_machine_minutes: AMOUNT = Field(
        None,
        description="Minutes of measuring in one `run`; confirming what was kept comes on top. `null`: no limit.",
        examples=[480],
    )
    target: Annotated[float, BeforeValidator(checks.number), Field(allow_inf_nan=False)] | None = Field(
        None,
        description="Stop when the champion's measured mean is as good as this value of the metric. `null`: go on.",
        examples=[0.95],
    )
    patience: whole(1) | None = Field(
        None,
        description="Stop after so many experiments without a gain; one that is only shorter is none. `null`: go on, in ever other ways.",
        examples=[60],
    )


