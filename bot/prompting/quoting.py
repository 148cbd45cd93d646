"""Text of others (code, logs, hypotheses, notes) made fit to be quoted to a model: it stays inside its fence, shows every character it has,
and holds no credential."""

import re
import unicodedata
from collections.abc import Iterable

from bot.prompting.secrets import mask
from eval.text import UNSEEN

CELL = 200  # characters of one line in a list
# What chat templates take for their own signs: a server that reads them in a text would see another speaker begin
TURN = re.compile(r"<(?=[|｜]|/?s>|(?:start|end)_of_turn>|/?think>)|\[(?=/?INST\]|/?(?:SYSTEM_PROMPT|TOOL_CALLS|AVAILABLE_TOOLS)\])", re.I)
FENCE = re.compile(r"^[^\S\n]*=+ *(?:BEGIN|END)\b", re.M | re.I)
ODD = re.compile(r"[^\n\t\x20-\x7e]")


class Quoter:
    def __init__(self, secrets: Iterable[str] = ()):
        self.secrets = tuple(secrets)

    def text(self, text: str) -> str:
        """Every line; what cannot be seen is written out (`\\u202e`). Code without such characters comes back as it was."""
        shown = TURN.sub(lambda sign: f"{sign[0]} ", ODD.sub(_shown, text.replace("\r\n", "\n").replace("\r", "\n")))
        return mask(shown, self.secrets)

    def line(self, text: str, limit: int = CELL) -> str:
        """One line, cut in the middle to `limit` characters."""
        line = " ".join(self.text(text).split())
        if len(line) <= limit:
            return line
        head = limit * 2 // 3
        return f"{line[:head].rstrip()} … {line[len(line) - (limit - head - 3) :].lstrip()}"


def _shown(found: re.Match[str]) -> str:
    char = found[0]
    unseen = unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") or UNSEEN.match(char)
    if not unseen:
        return char
    return f"\\x{ord(char):02x}" if char < "\x80" else f"\\u{ord(char):04x}" if char <= "\uffff" else f"\\U{ord(char):08x}"


def fenced(title: str, text: str) -> str:
    """A fence that `text` cannot close: its mark is longer than any run of the same sign inside, and no line inside looks like one."""
    mark = "=" * max([5, *(len(run) + 1 for run in re.findall("=+", text))])
    inside = FENCE.sub(r"\\\g<0>", text.rstrip())
    return f"{mark} BEGIN {title} {mark}\n{inside}\n{mark} END {title} {mark}"
