"""The machine that measured, in words, and what changed when it is not the same as before. Pure."""

from bot.history import History
from bot.records import Opened
from bot.report import facts
from bot.report.text import plain

NAMES = {"torch": "torch {}", "cuda": "CUDA {}", "driver": "driver {}", "python": "Python {}", "system": "{}"}
CHANGED = {"device": "device", "device_name": "device", "memory_gib": "memory", "cpu": "CPU", "cores": "cores"} | {
    name: text.removesuffix("{}").strip() or "system" for name, text in NAMES.items()
}
LONGEST = 60  # characters of one fact


def opening(history: History) -> Opened | None:
    """The newest `run` of the shown context that says what it ran on."""
    run = facts.last_run(history)
    found = history.openings.get(run.context) if run else None
    return found if found and found.machine else None


def hardware(known: dict[str, str]) -> str:
    """`NVIDIA H100 80GB HBM3 (80 GiB)`, `AMD EPYC avx512_bf16, 2 cores`."""
    gpu = known.get("device") not in (None, "cpu")
    name = plain((known.get("device_name") if gpu else "") or known.get("cpu", "") or known.get("device_name", ""), LONGEST)
    memory, cores = (plain(known.get(part, ""), 8) for part in ("memory_gib", "cores"))
    return name + (f" ({memory} GiB)" if gpu and memory else "") + (f", {cores} cores" if cores else "")


def software(known: dict[str, str]) -> str:
    """`torch 2.6.0+cu124, CUDA 12.4, driver 570.86.15, Python 3.11.9, Linux x86_64`."""
    return ", ".join(text.format(plain(known[name], LONGEST)) for name, text in NAMES.items() if known.get(name))


def switched(before: Opened, after: Opened) -> str:
    """Why what was measured before is compared with nothing that is measured since, as far as the record says; empty where the base is
    another one, and nothing else is known to be."""
    parts = [f"budget {before.budget} → {after.budget}"] if before.budget != after.budget else []
    if before.machine and after.machine:
        changed = {CHANGED[name]: (before.machine.get(name), after.machine.get(name)) for name in CHANGED}
        parts += [f"{name} {old or 'unknown'} → {new or 'unknown'}" for name, (old, new) in changed.items() if old != new]
    if not parts and before.base != after.base:
        return ""
    what = plain(", ".join(parts), 240) or "another machine, corpus, metric version or set of files"
    return f"{what}: what was measured before is compared with nothing that is measured since"


def rows(history: History) -> list[tuple[str, str]]:
    """(name, text) for a table: what the shown numbers were measured on and with. None of older records, which have the digest alone."""
    found = opening(history)
    parts = [("Machine", hardware(found.machine)), ("Software", software(found.machine))] if found else []
    return [(name, text) for name, text in parts if text]


def news(history: History) -> str:
    """`switched` for the newest `run` against the one before it; empty where it is of the same context, or nothing was measured before."""
    latest = history.new_contexts[-1:]
    return switched(*latest[0]) if latest and latest[0][1] is history.last_opened and history.begun else ""
