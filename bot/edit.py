"""Turns a proposer's answer into new file texts, or refuses it with one sentence. What a patch does is judged by its effect."""

import ast
from collections.abc import Callable, Mapping

from bot import seeding
from bot.proposers import Answer

LARGEST_FILE = 512 * 1024
BOM = "\ufeff"
RESERVED = "load_tokenizer"

Texts = Mapping[str, str | None]  # path -> new text, None for a deleted file


class EditRejected(Exception):
    """The answer cannot be measured; the message says why, in words that a proposer can act on."""


def apply(files: Mapping[str, str], answer: Answer, apply_patch: Callable[[str], Texts]) -> dict[str, str]:
    """The texts that differ from `files`, the editable ones. `apply_patch` raises ValueError for a diff that does not apply."""
    texts = _patched(answer.patch, apply_patch) if answer.patch is not None else answer.edits or {}
    changed = {}
    for path, text in sorted(texts.items()):
        if path not in files:
            raise EditRejected(f"{path} is not editable; editable: {', '.join(sorted(files))}")
        if text is None:
            raise EditRejected(f"{path} would be deleted; only its text may change")
        _check(path, text)
        if text != files[path]:
            changed[path] = text
    if not changed:
        raise EditRejected("the change is empty: every file stays as it is")
    for path, text in changed.items():
        if path.endswith(".py"):
            _check_reserved(path, files[path], text)
    try:
        reason = seeding.refusal(files, {**files, **changed})
    except RecursionError:
        reason = f"an expression is nested too deeply to be read ({', '.join(changed)})"
    if reason:
        raise EditRejected(reason)
    return changed


def _patched(patch: str, apply_patch: Callable[[str], Texts]) -> Texts:
    try:
        return apply_patch(patch)
    except ValueError as error:
        raise EditRejected(f"the patch does not apply: {error}") from error


def _check(path: str, text: str) -> None:
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        raise EditRejected(f"{path} is not valid Unicode text: {error.reason}") from error
    if size > LARGEST_FILE:
        raise EditRejected(f"{path} would have {size} bytes; the limit is {LARGEST_FILE}")
    if "\0" in text:
        raise EditRejected(f"{path} contains a NUL byte")
    if path.endswith(".py"):
        _check_python(path, text)


def _check_python(path: str, text: str) -> None:
    try:
        ast.parse(text.removeprefix(BOM))
    except SyntaxError as error:
        raise EditRejected(f"{path}, line {error.lineno}: {error.msg}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise EditRejected(f"{path} cannot be parsed: {error or type(error).__name__}") from error


def _check_reserved(path: str, old: str, new: str) -> None:
    """`load_tokenizer` beside a `load_model` will mean a tokenizer of the candidate's own; until then it must not be ignored in silence."""
    if {"load_model", RESERVED} <= _functions(new) and RESERVED not in _functions(old):
        raise EditRejected(f"{path} defines {RESERVED}, which is reserved: the tokenizer belongs to the referee in this version; remove it")


def _functions(text: str) -> set[str]:
    try:
        tree = ast.parse(text.removeprefix(BOM))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the champion's text, for a newer Python than this one
        return set()
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
