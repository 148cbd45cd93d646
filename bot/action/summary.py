"""The job's summary page: markdown within the runner's limit, above which it would be dropped in silence."""

import re
from pathlib import Path

LIMIT = (1 << 20) - 1024  # bytes; 1 MiB a step
CUT = "*This page is cut here: a job's summary may hold 1 MiB. The whole report is in the state folder and on the ledger branch.*"


def write(text: str, path: Path | None) -> None:
    """Appends `text` to the step's summary. OSError when that cannot be written."""
    if path and text:
        with path.open("ab") as file:
            room = LIMIT - file.tell()
            if room > len(CUT) + 1024:
                file.write(fitted(text.rstrip("\n") + "\n", room).encode())


def fitted(text: str, limit: int = LIMIT) -> str:
    """`text` in at most `limit` bytes of UTF-8: cut between lines, with open code fences and `<details>` closed."""
    if len(text.encode()) <= limit:
        return text
    kept, size, fence, details = [], len(CUT.encode()) + 256, "", 0
    for line in text.splitlines():
        size += len(line.encode()) + 1
        closing = len(f"{fence}\n".encode()) + details * len("</details>\n\n")
        if size + closing > limit:
            break
        kept.append(line)
        mark = re.match(r" {0,3}(`{3,}|~{3,})", line)
        if mark and not fence:
            fence = mark[1]
        elif mark and fence and mark[1].startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
        elif not fence:
            details = max(0, details + line.count("<details") - line.count("</details>"))
    return "\n".join([*kept, *([fence] if fence else []), *["", "</details>"] * details, "", CUT, ""])
