"""`autoresearch prompt`: what a model would be asked next, and what that costs."""

import click

from . import load_settings


@click.command("prompt", short_help="What a model would be asked next, and what it costs.")
@click.option("--json", "as_json", is_flag=True, help="Print the prompt and its cost as one JSON object.")
@click.option("--name", help="Name of the research.")
def command(as_json: bool, name: str | None) -> None:
    """The prompt for the next experiment, on standard output, and its cost, on standard error. Asks no model and measures nothing.

    Works before the first run, and while one is in progress."""
    from bot.prompting import tokens, upcoming
    from bot.report import text

    settings = load_settings(name=name)
    context, prompt = upcoming.prompt(settings)
    costs = upcoming.costs(settings, prompt.tokens)
    if as_json:
        told = {"experiment": context.next_id, "mode": context.mode, "system": prompt.system, "user": prompt.user, "tokens": prompt.tokens}
        prices = [{"model": c.model, "prompt_dollars": c.prompt, "longest_answer_dollars": c.longest} for c in costs]
        counted = "tiktoken" if tokens.exact() else "estimate"
        click.echo(text.dumps(told | {"parts": prompt.parts, "limit": settings.prompt_tokens, "counted_by": counted, "models": prices}))
        return
    for title, message in (("system", prompt.system), ("user", prompt.user)):
        click.echo(f"---------- {title} ----------\n{shown(message)}")
    click.echo("\n".join([*table(prompt.parts, prompt.tokens), *told_costs(costs), *notes(settings, context)]), err=True)


def shown(message: str) -> str:
    """As it is sent, except that no line of it is a command to a CI runner that reads this output."""
    from eval.text import harmless

    return "\n".join(harmless(line) for line in message.split("\n"))


def table(parts: dict[str, int], total: int) -> list[str]:
    from bot.prompting import tokens

    how = (
        "counted by tiktoken" if tokens.exact() else "estimated, rather too many than too few: tiktoken's vocabulary is not on this machine"
    )
    rows = [f"{count:>8,}  {name}" for name, count in parts.items()]
    return ["  tokens  part", *rows, f"{total:>8,}  in all ({how})"]


def told_costs(costs: list) -> list[str]:
    if not costs:
        return ["cost: no model is configured (`models:`)"]
    return [
        f"cost: {cost.model}: " + ("price unknown (set `input_price` and `output_price`)" if cost.prompt is None else
        f"${cost.prompt:.4f} for the prompt, at most ${cost.longest:.4f} for its answer, for each attempt")
        for cost in costs
    ]  # fmt: skip


def notes(settings, context) -> list[str]:
    kind = settings.proposer.partition(":")[0]
    found = [] if kind in ("llm", "hybrid") else [f"`proposer: {kind}` asks no model: this is what `llm` would send"]
    found = ["a coding agent gets this text with another form of answer: it edits files"] if kind == "agent" else found
    found += [] if context.history.last_opened else ["the machine is not known before the first run"]
    return found + (["the search would stop here (patience)"] if context.mode == "stop" else [])
