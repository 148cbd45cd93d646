"""The program of a coding agent: where it is, what people call it, and what it was told to keep to itself."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from bot.errors import UsageError

STARTERS = re.compile(r"python[\d.]*|bash|sh|zsh|env|node|npx|bunx|uvx|uv|pnpm|dlx|run|exec|nice|timeout|\d+[smh]?")


def called(words: Sequence[str]) -> str:
    """What people call it: `claude`; of `npx -y opencode-ai run ...` or `python my_agent.py`, what is run by those."""
    names = [Path(word).stem if word.endswith((".py", ".sh", ".js", ".mjs")) else Path(word).name for word in words if word[:1] != "-"]
    return next((name for name in names if name and not STARTERS.fullmatch(name) and "{" not in name), Path(words[0]).name)


def program(word: str, root: Path, environ: Mapping[str, str]) -> str:
    """Where the agent's program is. A path that is not absolute is one of the repository's. UsageError where there is none."""
    found = shutil.which(root / word if "/" in word else word, path=environ.get("PATH", os.defpath))
    if not found:
        raise UsageError(f"agent: command: there is no program {word!r}; install it, or correct its name or PATH")
    return found
