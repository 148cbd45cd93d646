"""What `autoresearch profile` found of the champion, or of the newest older one that was profiled."""

from bot.profiling.shown import brief
from bot.prompting.trim import fill
from bot.prompting.view import View, ids

ROWS = 12


def profile(view: View, tokens: int) -> str:
    history, found = view.history, None
    for sha in [history.champion_sha, *reversed(history.champions)]:
        found = view.context.profile(sha)
        if found and found.device == view.context.device:
            label = "the champion" if sha == history.champion_sha else _older(view, sha)
            lines = [view.quoter.text(line) for line in brief(found, label, ROWS)]
            return "\n".join(fill(lines, tokens, lambda n: f"({n:,} lines left out)", len(lines)))
    return ""


def _older(view: View, sha: str) -> str:
    """Another program than the one above, said to be."""
    later = {*view.history.champions[view.history.champions.index(sha) + 1 :]}
    since = [e for e in view.history.keeps if view.history.sha_of(e) in later]
    return f"NOT the present champion, an older one{f' (before {ids(since)})' if since else ''}:"
