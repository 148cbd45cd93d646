"""Keeps credentials out of a prompt: what this process's environment holds, and what has the shape of one, wherever it stands."""

import re
from collections.abc import Iterable, Mapping

from bot import keys

MASK = "[secret]"
SHORTEST = 8  # characters of a value that is looked for: a shorter one stands in too many words
NAMED = re.compile(r"KEY|TOKEN|SECRET|PASS(WD|WORD|PHRASE)|CREDENTIAL|PRIVATE|_PAT$|(^|_)AUTH$", re.IGNORECASE)
HARMLESS = re.compile(r"[/~.][\w./~-]*|\d+|true|false|yes|no|none|auto", re.IGNORECASE)  # a path, a switch: no credential
SHAPES = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:.*?-----END [A-Z ]*PRIVATE KEY-----|.*)"
    r"|\b(?:sk|rk|pk)-[A-Za-z0-9_-]{16,}"  # OpenAI, Anthropic, OpenRouter, Stripe
    r"|\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,}|glpat-[\w-]{20,}|hf_[A-Za-z0-9]{30,}|gsk_[A-Za-z0-9]{30,}|xai-[A-Za-z0-9]{30,})"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b|\bAIza[\w-]{35}|\bxox[abposr]-[\w-]{10,}|\bnpm_[A-Za-z0-9]{36}\b|\bpypi-[\w-]{40,}"
    r"|\beyJ[\w-]{10,1000}\.eyJ[\w-]{10,}\.[\w-]+"  # a JSON web token; an end, as each `-` is another beginning
    r"|(?<=://)[^\s/:@]+:[^\s/@]+(?=@)"  # user:password of an address
    r"|(?i:(?<=bearer )|(?<=authorization: )|(?<=x-api-key: ))(?!basic |bearer )[\w.+/=~-]{16,}"
    r"|(?i:(?<=authorization: basic ))[\w+/=]{12,}",
    re.DOTALL,
)


def known(environ: Mapping[str, str], named: Iterable[str] = ()) -> tuple[str, ...]:
    """Values of the environment that look like credentials, the longest first, a long one's lines too. `named`: variables that are."""
    values = {v for k, v in environ.items() if NAMED.search(k) and not HARMLESS.fullmatch(v)} | {environ.get(name, "") for name in named}
    values |= {v for v in environ.values() if SHAPES.fullmatch(v)}
    lines = {line for value in values for line in value.splitlines() if len(line) >= 2 * SHORTEST}
    return tuple(sorted((value for value in values | lines if len(value.strip()) >= SHORTEST), key=lambda v: (-len(v), v)))


def ours(environ: Mapping[str, str] | None = None, named: Iterable[str] = ()) -> tuple[str, ...]:
    """`known` of `environ`; without one, of this process's, with what `bot.keys` took out of it."""
    return known(environ, named) if environ is not None else known(keys.view(), {*named, *keys.taken()})


def mask(text: str, values: Iterable[str] = ()) -> str:
    for value in values:
        text = text.replace(value, MASK)
    return SHAPES.sub(MASK, text)
