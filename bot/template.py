"""What `init` writes: an autoresearch.yml that documents every field (from the model itself) and a first program.md."""

import textwrap
from importlib.resources import files
from string import Template
from typing import Any

import yaml

from bot.settings import Settings

HEADER = """\
# autoresearch: what may be edited, how it is measured, what may be spent.
# A line that starts with `# key:` shows the default; remove the `# ` to change it.
"""
SECTIONS = {"name": "What is researched", "python": "How it is measured", "proposer": "The search"}


def config(values: dict[str, Any]) -> str:
    """autoresearch.yml with `values` set and every other field shown, commented out, at its default."""
    parts = [HEADER]
    for name, field in Settings.model_fields.items():
        if name in SECTIONS:
            parts.append(f"\n# ---- {SECTIONS[name]} ----\n")
        parts.append("\n" + textwrap.fill(field.description or "", 100, initial_indent="# ", subsequent_indent="# ") + "\n")
        if name in values:
            parts.append(line(name, values[name]))
        else:
            parts.append("# " + line(name, None if field.is_required() else _plain(field.default)))
    return "".join(parts)


def line(name: str, value: Any) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, width=1000, allow_unicode=True).removesuffix("...\n").strip()
    return f"{name}: {text}\n"


def program(settings: Settings) -> str:
    """A first research brief: the training one, or the one for a command target."""
    kind = "program-command.md" if settings.command else "program.md"
    better = {"min": "lower", "max": "higher"}[settings.direction]
    names = ", ".join(f"`{path}`" for path in settings.editable)
    return Template(files("bot").joinpath("templates", kind).read_text(encoding="utf-8")).substitute(
        editable=names, entry=settings.entry, metric=settings.metric, better=better
    )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value if isinstance(value, int | str | dict | None) else str(value)
