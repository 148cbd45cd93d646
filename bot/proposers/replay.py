"""Proposes the patches of a folder, in the order of their names. How tests, demos and hand-written ideas drive the loop."""

import re
from pathlib import Path

from bot.errors import UsageError
from bot.proposers import Answer, ProposalContext

SUFFIXES = {".patch", ".diff"}
DIFF = re.compile(r"^(diff --git |--- \S|Index: )", re.M)
SUBJECT = re.compile(r"^Subject:[ \t]*(.*(?:\r?\n[ \t]+.*)*)", re.M)
TAGS = re.compile(r"^(\[[^\]]*\]\s*)+")  # [PATCH 2/3]
MAIL = re.compile(r"^From [0-9a-f]{40} ")


class Replay:
    def __init__(self, folder: Path):
        self.folder = folder

    def slow(self, context: ProposalContext) -> bool:
        return False

    def propose(self, context: ProposalContext) -> Answer | None:
        used = {e.proposal.source for e in context.history.experiments.values() if e.proposal} | {p.source for p in context.beside}
        for path in self._patches():
            source = f"replay:{path.name}"
            if source not in used:
                text = _read(path)
                return Answer(hypothesis=hypothesis(text) or path.stem, source=source, patch=text)
        return None

    def _patches(self) -> list[Path]:
        try:
            return sorted(p for p in self.folder.iterdir() if p.suffix in SUFFIXES and p.is_file())
        except OSError as error:
            raise UsageError(f"proposer: cannot read the patches of {self.folder}: {error.strerror}") from error


def _read(path: Path) -> str:
    """Line ends as they are in the file: a patch of a CRLF file holds CRLF."""
    try:
        return path.read_bytes().decode()
    except OSError as error:
        raise UsageError(f"proposer: cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"proposer: {path} is not UTF-8 text (byte {error.start})") from error


def hypothesis(patch: str) -> str:
    """What stands before the diff, on one line; of a `git format-patch` mail, its subject."""
    diff = DIFF.search(patch)
    head = patch[: diff.start()] if diff else patch
    subject = SUBJECT.search(head)
    if subject:
        return TAGS.sub("", _one_line(subject[1]))
    return "" if MAIL.match(head) else _one_line(head.partition("\n---\n")[0])


def _one_line(text: str) -> str:
    return " ".join(text.split())
