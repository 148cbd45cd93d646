"""What `--json` prints: plain dicts with documented, stable keys. Numbers that were not measured are null.

experiment: id, status, hypothesis, source, params, parent, commit, added, removed, value, fresh (true: `value` is the mean of
fresh-seed runs; false: one screening run), delta, low, high, seeds, why, leak_bound (kept: of its heavy run), at. `show` adds runs
and patch.
run: role, index, seed, outcome, reason, value, seconds, train_seconds, eval_seconds, steps, tokens, peak_memory, context, sha, curve
(pairs of fraction and loss), log_tail, split, isolation, isolation_note, dose, leak, leak_bound, audit_gap, audit_error (all bits per
byte), audit_z, cpu_others, suspect (invalid for its throughput), explanation and reproduction of a violation.
status: branch, metric, direction, state, base, champion, best, baseline, baseline_seeds, noise, change (start, now, delta, low, high,
seeds, fresh) or null, counts, tried, seconds (training, scoring, startup, saving, bot, total), runs, isolation (level -> runs),
sealed_reads, context, updated, headline, oddities.
"""

from dataclasses import asdict
from statistics import fmean
from typing import Any

from bot.history import History
from bot.records import Experiment, Measurement
from bot.report import facts, proof


def experiment(found: Experiment, context: str, history: History) -> dict[str, Any]:
    proposal, verdict = found.proposal, found.verdict
    value, fresh = facts.shown_value(found, context)
    checked = proof.heavy(found)
    return {
        "id": found.id,
        "status": found.status,
        "hypothesis": proposal.hypothesis if proposal else "baseline" if found.id == 0 else None,
        "source": proposal.source if proposal else None,
        "params": dict(proposal.params) if proposal else {},
        "parent": proposal.parent if proposal else None,
        "commit": history.sha_of(found) or (history.base if found.id == 0 else None),
        "added": proposal.added if proposal else 0,
        "removed": proposal.removed if proposal else 0,
        "value": value,
        "fresh": fresh,
        "delta": verdict.delta if verdict else None,
        "low": verdict.low if verdict else None,
        "high": verdict.high if verdict else None,
        "seeds": verdict.seeds if verdict else 0,
        "why": verdict.why if verdict else None,
        "leak_bound": checked.leak_bound if checked else None,
        "at": began(found),
    }


def began(found: Experiment) -> float | None:
    first = found.proposal or next(iter(found.measurements), found.verdict)
    return first.at if first else None


RUN = ("role", "index", "seed", "outcome", "reason", "value", "seconds", "train_seconds", "eval_seconds", "steps", "tokens",
       "peak_memory", "context", "sha", "log_tail", "split", "isolation", "isolation_note", "dose", "leak", "leak_bound", "audit_gap",
       "audit_error", "audit_z", "cpu_others", "suspect", "explanation", "reproduction")  # fmt: skip


def run(m: Measurement) -> dict[str, Any]:
    return {name: getattr(m, name) for name in RUN} | {"curve": [list(p) for p in curve(m)]}


def curve(m: Measurement) -> list[tuple[float, float]]:
    return list(zip(m.curve[::2], m.curve[1::2], strict=False))


def status(history: History, state: str) -> dict[str, Any]:
    start, found, spent = facts.baseline(history), facts.change(history), facts.spent(history)
    return {
        "branch": history.opened.branch if history.opened else None,
        "metric": history.metric,
        "direction": history.direction,
        "state": state,
        "base": history.base,
        "champion": history.champion_sha,
        "best": facts.standing(history),
        "baseline": fmean(start) if start else None,
        "baseline_seeds": len(start),
        "noise": facts.noise(history),
        "change": asdict(found) | {"delta": found.delta} if found else None,
        "counts": history.counts(),
        "tried": history.tried,
        "seconds": {k: v for k, v in asdict(spent).items() if k != "runs"} | {"total": spent.total},
        "runs": spent.runs,
        "isolation": dict(proof.levels(history)),
        "sealed_reads": proof.sealed_reads(history),
        "context": history.context,
        "updated": history.last_at or None,
        "headline": facts.headline(history),
        "oddities": list(history.oddities),
    }
