"""Puts the prompt together within its number of tokens. Pure: the same record, files and environment give the same prompt.

The rules, the brief and the files come first and whole; where even they do not fit, their middle is left out, and it says so. The
parts of the history share the rest by weight, each with a cap of its own.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.errors import UsageError
from bot.prompting import modes, standing, task
from bot.prompting.parts import HISTORY, SELDOM, Part
from bot.prompting.quoting import Quoter, fenced
from bot.prompting.secrets import mask, ours
from bot.prompting.tokens import MESSAGE, count
from bot.prompting.trim import middle, shares
from bot.prompting.view import View
from bot.proposers import ProposalContext

RESERVE = 0.2  # of the room: for the history, however long the files are
BRIEF = 0.3  # of the room: a brief so long is quoted whole, however long the files are
FRAME = 40  # tokens around the brief
SCRAP = 160  # tokens: a part of the history that gets less, and needs more, is left out
LEAST = 800  # tokens that brief, files and history need
OURS = 400  # tokens of the words about them
FILES = "# The editable files, as the champion has them"
LAST = "# Now\nPropose experiment {id}: one answer, in the format described."


@dataclass(frozen=True)
class Prompt:
    """Two messages. `tokens`: of both, with what a conversation adds; `parts`: of each part, in order."""

    system: str
    user: str
    tokens: int
    parts: dict[str, int]


def build(context: ProposalContext, program: str, limit: int, environ: Mapping[str, str] | None = None) -> Prompt:
    """`program`: the human's brief; `environ`: whose credentials stay out, else this process's.

    UsageError where `limit` is too little for the task itself."""
    from bot.proposers.answer import FORMAT

    view = View(context, Quoter(ours(environ, _named(context))))
    system = task.system(context.settings, list(context.files), FORMAT, view.quoter)
    room = limit - count(system) - 2 * MESSAGE
    if room < LEAST:
        raise UsageError(f"prompt_tokens: {limit:,} is too little; the task and the answer's format take {limit - room:,}; set more")
    stable = _stable(view, program, room - OURS)
    full = {part: part.text(view, int(part.share * limit)) for part in HISTORY}
    parts = _user(view, stable, full, room)
    user = mask("\n\n".join(parts.values()) + "\n", view.quoter.secrets)  # each part is without them already
    over = count(user) - room
    if over > 0:  # the names and fences of many files
        raise UsageError(f"prompt_tokens: {limit:,} is too little for so many files; set at least {limit + over:,}")
    tokens = {"task": count(system) - count(FORMAT), "format": count(FORMAT)} | {name: count(text) for name, text in parts.items()}
    return Prompt(system, user, over + limit, tokens)


def messages(prompt: Prompt) -> list[dict[str, str]]:
    return [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]


def _named(context: ProposalContext) -> set[str]:
    """Variables that hold keys, as the settings name them."""
    settings = context.settings
    agent = settings.agent.environment if settings and settings.agent else ()
    return {model.key for model in settings.models if model.key}.union(agent) if settings else set()


def _stable(view: View, program: str, room: int) -> dict[str, str]:
    """Brief, setting and files: cut, if at all, by what does not change from one experiment to the next, so that the beginning stays."""
    setting = f"# What is measured\n{standing.setting(view)}"
    texts = {path: view.quoter.text(text) for path, text in sorted(view.context.files.items())}
    room -= count(setting) + int(RESERVE * room)
    brief = _brief(view, program, max(int(BRIEF * room), room - count(_whole(view, texts)) - FRAME))
    return {"program": brief, "setting": setting, "files": _files(view, texts, room - count(brief))}


def _user(view: View, stable: Mapping[str, str], full: Mapping[Part, str], room: int) -> dict[str, str]:
    """The parts of the second message, by name, in order. `full`: what the history could fill."""
    ours = {"standing": f"# Where it stands\n{standing.standing(view)}", "mode": f"# How to search now\n{modes.instructions(view)}"}
    last = LAST.format(id=view.context.next_id)
    room -= sum(map(count, [*stable.values(), *ours.values(), last])) + 3 * (len(HISTORY) + 6)
    told, left_out = _history(view, full, max(0, room))
    missing = f"\n(No room was left for: {', '.join(left_out)}.)" if left_out else ""
    early = {name: told.pop(name) for name in SELDOM if name in told}
    return {**stable, **early, "standing": ours["standing"], **told, "mode": ours["mode"], "question": last + missing}


def _brief(view: View, program: str, room: int) -> str:
    text = view.quoter.text(program).strip() or "(there is none)"
    shown = middle(text, max(LEAST // 4, room), "of the brief: it is too long for prompt_tokens")
    return f"# The research brief, by a human\n{fenced('research brief', shown)}"


def _whole(view: View, texts: Mapping[str, str]) -> str:
    return "\n".join([FILES, *(fenced(f"file {view.quoter.line(path)}", text) for path, text in texts.items())])


def _files(view: View, texts: Mapping[str, str], room: int) -> str:
    whole = _whole(view, texts)
    if count(whole) <= room:
        return whole
    costs = [count(text) for text in texts.values()]
    given = shares(costs, costs, room - count(_whole(view, dict.fromkeys(texts, ""))))
    cut = {
        path: text if tokens >= cost else middle(text, tokens, "of this file: it is too long for prompt_tokens")
        for (path, text), cost, tokens in zip(texts.items(), costs, given, strict=True)
    }
    return _whole(view, cut)


def _history(view: View, full: Mapping[Part, str], room: int) -> tuple[dict[str, str], list[str]]:
    """Each part's text by its name, and the names of those that there was no room for."""
    demands = {part: count(text) for part, text in full.items() if text}
    given = _allotted(demands, room)
    told = {part.name: full[part] if tokens >= demands[part] else part.text(view, tokens) for part, tokens in given.items()}
    return {name: text for name, text in told.items() if text}, [part.name for part in demands if not told.get(part.name)]


def _allotted(demands: Mapping[Part, int], room: int) -> dict[Part, int]:
    """Tokens of each part, in order: rather none for one of them than a scrap for each."""
    wanted = list(demands)
    while wanted:
        given = dict(zip(wanted, shares([demands[part] for part in wanted], [part.share for part in wanted], room), strict=True))
        starved = [part for part, tokens in given.items() if tokens < min(demands[part], SCRAP)]
        if not starved:
            return given
        wanted.remove(min(starved, key=lambda part: part.share))
    return {}
