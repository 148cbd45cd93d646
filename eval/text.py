"""Lines that a candidate wrote, made safe to print anywhere: in a terminal, a JSON file, the log of a CI job. Standard library only.

A GitHub runner reads the output of a job and obeys it: a line that begins with `::` after trimming is a command, and so is `##[`
anywhere in a line (`::set-env`, `::add-mask`, `::error`, `::stop-commands`). Nothing that a candidate prints may be one.
"""

import re

# Printable to Python, yet nothing to see, and skipped by comparisons that follow a culture's rules: they could stand inside of `::`
UNSEEN = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")
FIRST = re.compile(r"^([\s?]*):(?=:)")  # `?` too: what stood there may be trimmed by someone who sees the original
ANYWHERE = re.compile(r"##(?=\[)")


def harmless(line: str) -> str:
    """`line` without characters that cannot be seen (shown as `?`; tabs stay) and without workflow commands: `: :error`, `## [error]`."""
    line = "".join(c if c.isprintable() or c == "\t" else "?" for c in UNSEEN.sub("?", line))
    return ANYWHERE.sub("## ", FIRST.sub(r"\1: ", line))
