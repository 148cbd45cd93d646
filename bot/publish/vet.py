"""Whether commits may be pushed as the bot's: before every push, and of whatever another machine hands over to be pushed."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bot.edit import LARGEST_FILE
from bot.errors import AutoresearchError
from bot.gitobjects import Change, Objects
from bot.gitrepo import EXECUTABLE, IDENTITY, PLAIN, GitRepo

if TYPE_CHECKING:
    from bot.settings import Settings

BOT = f"{IDENTITY['NAME']} <{IDENTITY['EMAIL']}>"
NOTHING = "000000"  # mode of a file that is not there


def check_branch(repo: GitRepo, settings: "Settings", base: str, head: str, known: Iterable[str] = ()) -> None:
    """Whether `head` is a single line of the bot's commits on `base` that change the text of editable files and nothing else.

    `known`: commits that the remote's branch has already, human ones perhaps; up to them nothing is checked. AutoresearchError names the
    commit and what is wrong with it."""
    objects, known = Objects(repo), [*known]
    for sha in (base, head, *known):
        if not repo.resolve(sha):
            raise AutoresearchError(f"commit {sha[:12]} is not in this repository; fetch it first (`fetch-depth: 0` for a checkout)")
    below, commits = head, objects.parents(head, base, *known)
    for sha, parents in reversed(commits):
        if len(parents) != 1:
            raise AutoresearchError(f"commit {sha[:12]} is not one step on a single line from {base[:12]}; nothing was pushed")
        below = parents[0]
    if below != base and not (repo.ancestor(base, below) and any(repo.ancestor(below, sha) for sha in known)):
        raise AutoresearchError(f"commit {head[:12]} does not build on {base[:12]}, where its research began; nothing was pushed")
    shas = [sha for sha, _ in commits]
    for sha, (author, committer) in objects.identities(shas).items():
        if stranger := next((who for who in (author, committer) if who != BOT), None):
            raise AutoresearchError(f"commit {sha[:12]} is by {stranger[:80]}, not by {BOT}; nothing was pushed")
    changes = objects.changes(shas) if shas else []
    sizes = objects.sizes(change.id for change in changes if change.new_mode in (PLAIN, EXECUTABLE))
    for change in changes:
        if wrong := _wrong(change, settings, sizes.get(change.id, 0)):
            raise AutoresearchError(f"commit {change.commit[:12]} changes {change.path!r}, {wrong}; nothing was pushed")


def _wrong(change: Change, settings: "Settings", size: int) -> str:
    path, top = change.path, change.path.partition("/")[0]
    if top.lower() == ".github":
        return "which belongs to .github: no research may change that"
    if any(path == name or path.startswith(f"{name}/") for name in settings.locked):
        return "which is locked"
    if path not in settings.editable:
        return "which is not in `editable:`"
    if change.new_mode == NOTHING:
        return "which it deletes"
    if not {change.old_mode, change.new_mode} <= {PLAIN, EXECUTABLE, NOTHING}:
        return f"which is not a plain file there (mode {change.old_mode} -> {change.new_mode})"
    return f"which has {size} bytes; the limit is {LARGEST_FILE}" if size > LARGEST_FILE else ""
