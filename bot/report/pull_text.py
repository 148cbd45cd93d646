"""What a comment on GitHub may hold: foreign text made inert and bounded, tables trimmed in the middle, links of one repository. Pure."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from bot.report.text import INVISIBLE, md, plain

T = TypeVar("T")
CAP = 60_000  # UTF-16 units; GitHub takes 65,536 in a body or comment and 65,535 in the text of a check run
TITLE = 120
LONGEST = 4000  # characters of a foreign text that are looked at
NO_BREAK = "\u00a0"
COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
HEX = re.compile(r"(?i)(?<![0-9a-z])(?=\d*[a-f])(?=[a-f]*\d)[0-9a-f]{7,64}(?![0-9a-z])")  # what GitHub links if it is a commit's sha


@dataclass(frozen=True)
class Links:
    """Where things are on GitHub. `server` like https://github.com, `repository` owner/name, `branch` of the research, `ledger_sha` the
    ledger branch's commit that holds the picture, `run_url` of the workflow run, `pull_number` once there is a pull request."""

    server: str
    repository: str
    branch: str
    ledger_sha: str = ""
    run_url: str = ""
    pull_number: int | None = None

    @property
    def home(self) -> str:
        return f"{self.server.rstrip('/')}/{self.repository}"

    @property
    def pull(self) -> str:
        return f"{self.home}/pull/{self.pull_number}" if self.pull_number else ""

    @property
    def has_ledger(self) -> bool:
        return bool(COMMIT.fullmatch(self.ledger_sha))

    def commit(self, sha: str) -> str:
        """`[1a2b3c4](…)`; a sha that is none, as a broken ledger may hold, is shown and not linked."""
        return f"[`{sha[:7]}`]({self.home}/commit/{sha})" if COMMIT.fullmatch(sha) else cell(sha, 12) or "–"

    def ledger(self, path: str, kind: str = "blob") -> str:
        return f"{self.home}/{kind}/{self.ledger_sha}/{quote(path)}"


def units(text: str) -> int:
    """Length as GitHub counts it, in UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cell(text: str, limit: int) -> str:
    """Inline markdown that shows at most `limit` characters of `text`, takes at most 2 * `limit` units, and does nothing else."""
    size, text = limit, text[:LONGEST]
    while units(shown := _unlinked(md(text, size))) > 2 * limit and size > 1:
        size = size * 3 // 4
    return shown if size > 1 else ""


def code(text: str, limit: int) -> str:
    """A digest or version as code, to be copied; anything else as `cell`."""
    return f"`{text}`" if len(text) <= limit and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9 ._+-]*", text) else cell(text, limit)


def whole(text: str) -> str:
    """Our own text whose numbers are not torn apart at the end of a line."""
    text = re.sub(r"(?<=\de)-(?=\d)", "−", text)
    return re.sub(r" (?=[±=<−%] ?|GB)|(?<=[±=<]) ", NO_BREAK, text)


def share(part: float, digits: int = 0) -> str:
    """`+3 %`, `−12 %`, `0 %`."""
    shown = f"{100 * part:+.{digits}f}".replace("-", "−")
    return f"{shown if float(shown.replace('−', '-')) else shown[1:]} %"


def word(text: str, limit: int = 30) -> str:
    """A name in a title or a chart, where nothing can be escaped: letters, digits and a few signs."""
    return re.sub(r"[^\w.%/ -]", "", plain(text[:LONGEST]))[:limit].strip()


def _unlinked(text: str) -> str:
    """Without what GitHub links by itself and `md` leaves: what may be a commit's sha."""
    return HEX.sub(lambda found: INVISIBLE.join(re.findall(".{1,6}", found[0])), text)


def table(head: Sequence[str], items: Sequence[T], row: Callable[[T], Sequence[str]], most: int) -> list[str]:
    """Lines of a table of at most `most` items; the middle is left out, and a row says how many that were. `>` before a name: right."""
    first = most - most // 2
    shown = [*items[:first], None, *items[len(items) - most // 2 :]] if len(items) > most else items
    left_out = ["…", f"*{len(items) - most:,} more in between, see the ledger*", *[""] * (len(head) - 2)]
    names = [name.removeprefix(">") for name in head]
    rules = ["--:" if name.startswith(">") else "---" for name in head]
    return [f"| {' | '.join(cells)} |" for cells in (names, rules, *(left_out if item is None else row(item) for item in shown))]


def details(summary: str, lines: Sequence[str]) -> str:
    """A collapsed part. `summary` is our own text."""
    return "\n".join(["<details>", f"<summary>{summary}</summary>", "", *lines, "", "</details>"])
