"""What the plateau rule asks for, as a paragraph (`bot.plateau`, `bot.ladder`), and what it takes to do it."""

from bot.ladder import near_misses, split
from bot.prompting.trim import fill
from bot.prompting.view import View, ids
from bot.records import Experiment

USUAL = """\
Propose the change from which you expect the most on this machine within this budget. Weigh what it costs in tokens per second \
against what it brings for each token. Use what the list of experiments shows, and go where little was tried before you tune what was \
tuned."""
MODES = {
    "ablate": """\
The search has stalled: ablate and simplify. Find what the files have that does not earn its place, a mechanism, a special case, a \
schedule's phase, and take it out, or replace it by something shorter. Equal within the noise with fewer statements is a keep.""",
    "bold": """\
The search has stalled: be bold. Change the structure, not a number: another architecture of a block, another optimizer, another way \
to spend the budget. The change may be larger than usual, up to a rewrite of the part concerned. It still has to run as it is.""",
    "constants": """\
The search has stalled on ideas: tune locally. Move one to three constants that matter for the newest kept changes, by moderate \
steps, in the direction that the table of constants suggests, to values that were not tried.""",
}
COMBINE = """\
The search has stalled: combine near misses. Take two or three of {which}, that do not work on the same thing, and make them one change \
whose parts add up. Name their numbers in the hypothesis. Here several parts in one change are what is asked for.\
"""
CATEGORY = """\
The search has stalled on what it usually tries: this proposal has to be of the category `{name}`, and name it. A small change of \
another kind under that name does not count."""
REVISIT = """\
The search has stalled on this line: look again at the older champion `{sha}`{after}. Each of the later changes may have closed a road or \
lost what the older one had. Propose that, as a change of the files as they are now: replace or undo what stands in its way, and say so."""
OTHER = "The search has stalled and goes on in another way: {mode}."


def instructions(view: View) -> str:
    from bot.proposers.blocks import GROWTH, growth

    mode, (name, data) = view.context.mode, split(view.context.mode)
    if not mode:
        return USUAL
    words = {"combine": COMBINE.format(which=_named(mode)), "category": CATEGORY.format(name=view.quoter.line(data, 40)),
             "revisit": REVISIT.format(sha=view.quoter.line(data[:12]), after=_after(view, data))}  # fmt: skip
    text = words.get(name) or MODES.get(name) or OTHER.format(mode=view.quoter.line(mode, 60))
    return text if growth(mode) == GROWTH else f"{text} The files together may become longer by {growth(mode)} lines."


def _named(mode: str) -> str:
    numbers = ", ".join(f"#{id}" for id in near_misses(mode))
    return f"{numbers} (the first of the near misses above, with their diffs)" if numbers else "the near misses above"


def _after(view: View, sha: str) -> str:
    kept = since(view, sha)
    return f", on top of which {ids(kept, 20)} came since" if kept else ""


def since(view: View, sha: str) -> list[Experiment]:
    """What was kept on top of the older champion `sha`, the oldest first."""
    line = view.history.champions
    later = set(line[line.index(sha) + 1 :]) if sha in line else set()
    return [e for e in view.history.keeps if view.history.sha_of(e) in later]


def changes(view: View, tokens: int) -> str:
    """Where an older champion is asked for: the diffs that lead from it to this one."""
    name, sha = split(view.context.mode)
    kept = since(view, sha) if name == "revisit" else []
    diffs = [f"#{e.id} {view.idea(e)}\n{view.diff(e.id)}" for e in kept]
    return "\n".join(fill(diffs, tokens, lambda n: f"({n:,} more left out)", len(diffs)))
