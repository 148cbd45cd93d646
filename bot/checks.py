"""What each field of `Settings` must satisfy. A ValueError says what is wrong and the fix."""

import math
import re
import shlex
import shutil
import sys
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationInfo

from bot.limits import parse
from eval import sources
from eval.budget import Budget, format_duration, parse_duration

RESERVED = {"ledger": "the branch autoresearch/ledger holds the ledger"}


def branch_component(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name) or ".." in name or name.endswith((".", ".lock")):
        raise ValueError(f"{name!r} cannot be part of a git branch; use letters, digits, `-` and `_`, such as `nightly`")
    if name.lower() in RESERVED:
        raise ValueError(f"{name!r} is reserved ({RESERVED[name.lower()]}); choose another name")
    return name


def revision(text: str) -> str:
    if not text or text.startswith("-") or re.search(r"[\s~^:?*\[\\\x00-\x1f\x7f]|\.\.|@\{", text):
        raise ValueError(f"{text!r} is not a branch, tag or commit; write one such as `main`")
    return text


def as_list(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


def as_words(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return shlex.split(value)
    except ValueError as error:
        raise ValueError(f"{value!r} cannot be split into words ({error}); balance its quotes or write a list") from None


def at_home(path: Path) -> Path:
    """`path` with `~` resolved."""
    try:
        return path.expanduser()
    except RuntimeError:
        raise ValueError(f"{str(path)!r} names the home folder of a user who does not exist here; write the path out") from None


def inside(text: str, root: Path) -> str:
    """`text` as a normal relative path; it may not lead out of the repository or into git's own files."""
    path = PurePosixPath(text)
    if not text.strip() or path == PurePosixPath("."):
        raise ValueError("an empty path; name a file inside the repository")
    if path.is_absolute() or ".." in path.parts or "\\" in text or text.startswith("~"):
        raise ValueError(f"{text!r} is outside the repository; write it relative to the repository's top, without `..`")
    if not (root / path).resolve().is_relative_to(root):
        raise ValueError(f"{text!r} is a link that leads outside the repository; name a file inside it")
    if path.parts[0].lower() in (".git", ".github"):
        raise ValueError(f"{text!r} belongs to {path.parts[0]}, which is never part of a measurement; move the file out of there")
    return str(path)


def editable(paths: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    root, config = info.context["root"], Path(info.context["config"]).name
    if not paths:
        raise ValueError("no files; name at least one that a proposal may change")
    clean = tuple(inside(text, root) for text in paths)
    for path in clean:
        if (root / path).resolve() != root / path:
            raise ValueError(f"{path!r} is reached through a symbolic link; name the file itself")
        if path in (config, "autoresearch.yml", "program.md") or PurePosixPath(path).name.startswith(".git"):
            raise ValueError(f"{path!r} sets the rules, so a proposal may not change it; remove it from the list")
        if (root / path).is_dir():
            raise ValueError(f"{path!r} is a folder; name the files in it")
        if not (root / path).is_file():
            raise ValueError(f"editable file missing: {path!r}; create and commit it, or correct the path")
    if len(set(clean)) < len(clean):
        raise ValueError("a file is named twice; name it once")
    return clean


def locked(paths: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    root = info.context["root"]
    clean = tuple(inside(text, root) for text in paths)
    for path in clean:
        if not (root / path).exists():
            raise ValueError(f"locked file missing: {path!r}; correct the path")
        for other in info.data.get("editable", ()):
            if PurePosixPath(other).is_relative_to(path):
                raise ValueError(f"{path!r} overlaps the editable file {other!r}; a file is either locked or editable")
    return clean


def program(text: str, info: ValidationInfo) -> str:
    path = inside(text, info.context["root"])
    if path in info.data.get("editable", ()):
        raise ValueError(f"{path!r} is editable too; the brief is the human's, so remove it from `editable`")
    return path


def entry(text: str, info: ValidationInfo) -> str:
    files = info.data.get("editable", ())
    path = inside(text, info.context["root"]) if text else (files[0] if files else "")
    if files and path not in files and info.data.get("command") is None:
        raise ValueError(f"{path!r} is not editable; add it to `editable` or name one of {', '.join(files)}")
    return path


def command(words: tuple[str, ...] | None) -> tuple[str, ...] | None:
    if words is not None and not (words and words[0].strip()):
        raise ValueError("an empty command; write one such as `python bench.py`, or remove the line")
    return words


def metric(name: str, info: ValidationInfo) -> str:
    bpb = name == "val_bpb"
    if not bpb and info.data.get("command") is None and "command" in info.data:
        raise ValueError(f"{name!r} needs a command that prints `METRIC {name}=value`; set `command`, or use val_bpb")
    if bpb and info.data.get("command"):
        raise ValueError("a command needs the name of its own metric; write the name in its METRIC line, such as `seconds`")
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.-]*", name):
        raise ValueError(f"{name!r} is not a metric's name; use letters, digits, `_`, `-` and `.`")
    return name


def direction(value: str, info: ValidationInfo) -> str:
    if value == "max" and info.data.get("metric") == "val_bpb":
        raise ValueError("fewer bits per byte are better; remove the line or write `min`")
    return value


def interpreter(text: str, info: ValidationInfo) -> str:
    if text == "auto":
        return sys.executable
    named = at_home(Path(text))
    found = shutil.which(text) if named.name == text else shutil.which(info.context["root"] / named)
    if not found:
        raise ValueError(f"there is no interpreter {text!r}; name one such as .venv/bin/python, or `auto`")
    return str(found)


def _folder(text: str, what: str, info: ValidationInfo) -> Path:
    folder = at_home(Path(text.partition(":")[2]))
    if folder == Path(".") or not (info.context["root"] / folder).is_dir():
        raise ValueError(f"there is no folder {str(folder)!r} for {what}; create it or correct the path")
    return folder


def corpus(text: str, info: ValidationInfo) -> str:
    if text.startswith("path:"):
        folder = info.context["root"] / _folder(text, "the corpus", info)
        for path in (*info.data.get("locked", ()), *info.data.get("editable", ())):
            shown = (info.context["root"] / path).resolve()
            if shown.is_relative_to(folder.resolve()) or folder.resolve().is_relative_to(shown):
                raise ValueError(f"{text!r} overlaps {path!r}, which every candidate gets to see, validation text and all; keep them apart")
        return f"path:{folder}"
    if text != "embedded" and not sources.parse(text):
        names = " or ".join(f"`{name}`" for name in sources.SOURCES)
        raise ValueError(f"{text!r} is not a corpus; write `embedded`, `path:DIR`, or {names}, which take a number of shards (like `:8`)")
    return text


def proposer(text: str, info: ValidationInfo) -> str:
    if text.startswith("replay:"):
        return f"replay:{_folder(text, 'the patches', info)}"
    if text not in ("constants", "llm", "agent", "hybrid"):
        raise ValueError(f"{text!r} is not a proposer; write `constants`, `llm`, `agent`, `hybrid` or `replay:DIR`")
    return text


def eval_tokens(value: int | str, info: ValidationInfo) -> int | str:
    length = info.data.get("sequence_length")
    if isinstance(value, int) and isinstance(length, int) and value < length:
        raise ValueError(f"{value} is less than one sequence; use at least sequence_length, {length}")
    return value


def budget(value: Any) -> str:
    return "auto" if value == "auto" else str(Budget.parse(value))


def duration(value: Any) -> str | None:
    return None if value is None else format_duration(parse_duration(value))


def share(value: Any) -> str:
    number = str(value).strip().removesuffix("%")
    try:
        percent = float(number)
    except ValueError:
        percent = math.nan
    if not 0 <= percent <= 50 or not str(value).strip().endswith("%"):
        raise ValueError(f"{str(value)!r} is not a share from 0% to 50%; write it like `10%`")
    return f"{percent:g}%"


def number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{value} is not a number")
    return value


def limits(found: dict[str, str]) -> dict[str, str]:
    for name, text in found.items():
        if not name.strip():
            raise ValueError("the name of a limit is empty")
        try:
            parse(text)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return found


def state_dir(path: Path, info: ValidationInfo) -> Path:
    root = info.context["root"]
    full = root / at_home(path)
    if root.is_relative_to(full.resolve()):
        raise ValueError(f"{str(path)!r} holds the repository itself; name a folder of its own, such as .autoresearch")
    if full.resolve().is_relative_to(root / ".git"):
        raise ValueError(f"{str(path)!r} is inside git's own folder; name another, such as .autoresearch")
    if full.exists() and not full.is_dir():
        raise ValueError(f"{str(path)!r} is a file; name a folder")
    return at_home(path)
