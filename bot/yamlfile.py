"""One door for YAML: a mapping with the line of each key, or a UsageError with the place and the fix."""

from pathlib import Path
from typing import Any

import yaml

from bot.errors import UsageError


def read(path: Path) -> tuple[dict[str, Any], dict[str, int]]:
    """Top-level values and line numbers."""
    return parse(_text(path), path.name)


def parse(text: str, name: str) -> tuple[dict[str, Any], dict[str, int]]:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        _check(node, name)
        lines = {str(key.value): key.start_mark.line + 1 for key, _ in node.value}
        return {str(key): value for key, value in yaml.safe_load(text).items()}, lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        raise UsageError(f"{where}: invalid YAML, {error.problem or error.context}; check the indentation and quotes there") from None
    except (yaml.YAMLError, ValueError) as error:
        raise UsageError(f"{name}: invalid YAML, {' '.join(str(error).split())}; correct it there") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{path} does not exist; write one with `autoresearch init`") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; make it a readable file") from None


def _check(node: yaml.Node | None, name: str) -> None:
    if node is None:
        raise UsageError(f"{name} is empty; it needs at least `editable: [train.py]` (`autoresearch init --force` writes a whole one)")
    if not isinstance(node, yaml.MappingNode):
        raise UsageError(f"{name}:{node.start_mark.line + 1}: must be lines of `key: value`, not a {node.id}")
    seen: dict[str, int] = {}
    for key, _ in node.value:
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise UsageError(f"{name}:{line}: a key must be a plain word")
        if key.value in seen:
            raise UsageError(f"{name}:{line}: duplicate key `{key.value}` (first on line {seen[key.value]}); keep one of them")
        seen[key.value] = line
