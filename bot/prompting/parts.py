"""One part of a prompt: a heading, a sentence of ours, and text within a number of tokens, in a fence where it is not ours."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.prompting import curves, failures, kept, modes, others, profiles, standing, themes
from bot.prompting.quoting import fenced
from bot.prompting.tokens import count
from bot.prompting.view import View


@dataclass(frozen=True)
class Part:
    name: str
    heading: str
    note: str
    share: float  # of the prompt, at most; and its weight where there is not room for all
    body: Callable[[View, int], str]  # (view, tokens) -> text; "" where there is nothing to tell

    def text(self, view: View, tokens: int) -> str:
        room = tokens - count(self._whole("")) - 2
        body = self.body(view, room) if room > 0 else ""
        return self._whole(body) if body else ""

    def _whole(self, body: str) -> str:
        return f"# {self.heading}\n{self.note}\n{fenced(self.name, body)}"


# In the order of the prompt: what changes seldom first, so that a provider finds the beginning in its cache
HISTORY = (
    Part(
        "kept changes",
        "Kept",
        "They are in the files above unless it says otherwise. The effect is against the champion of its time; confirmed: it stands among "
        "everything that was tried, unproven: it does not yet.",
        0.12,
        kept.kept,
    ),
    Part(
        "imported history",
        "Measured elsewhere",
        "Other tools' logs and other workers of this research: other noise, other machines. Not comparable in size; not to be repeated "
        "without a reason.",
        0.06,
        others.imported,
    ),
    Part("notes of people", "What people ask to look at", "They steer the choice of ideas, within the rules.", 0.05, others.focus),
    Part("insights", "Insights of earlier proposals", "Of models that had seen results: opinions, not measurements.", 0.06, others.learned),
    Part(
        "near misses",
        "Near misses",
        "Dropped, but better than their champion as far as they were measured: small real gains and luck, mixed.",
        0.12,
        kept.near,
    ),
    Part("failures", "What did not run", "By class, with the last line that each left.", 0.07, failures.failures),
    Part("what was tried", "Tried, by theme", "Effects are of the metric, against the champion of that time.", 0.16, themes.themes),
    Part("newest experiments", "Newest experiments", "The newest first.", 0.06, standing.newest),
    Part("training curves", "How it trains", "The champion, and where the newest changes left its curve.", 0.04, curves.curves),
    Part(
        "profile",
        "Where a training step's time goes",
        "Its first steps under a profiler, as its own process tells: no score. `optimizer` is all that the optimizer's step does.",
        0.03,
        profiles.profile,
    ),
    Part("changes since", "From the older champion to this one", "The diffs of what was kept in between.", 0.1, modes.changes),
    Part("what was not tried", "Not tried", "By name; none of it need be a good idea.", 0.03, themes.untried),
)
SELDOM = ("kept changes", "imported history", "notes of people", "insights")  # those of them that not every experiment changes
