"""What `--json` prints: plain dicts with documented, stable keys. Numbers that were not measured are null.

experiment: id, status, hypothesis, source, model (the language model whose idea it is) or null, params, parent, commit, added, removed,
given (true: neither proposed nor decided here), carries (the experiment that an older base had kept) or null, older (true: proposed on an
older base, so its value is to be compared with nothing of this one), value, fresh (true: `value` is the mean of fresh-seed runs; false:
one screening run), delta, low, high, seeds, why, leak_bound (kept: of its heavy run), at, drifted (true: it was decided while the machine
drifted); the baseline, 0, is that of the base as it is now; of a kept one also label (confirmed, unproven, pruned), effect (what it is
worth, negative: lower, with its 95 % interval effect_low, effect_high) and label_why, else null. `show` adds runs and patch. Status
`stopped`: the night's end interrupted it, and the next one continues it.
run: role (baseline, champion, screen, confirm, retest, ablate: the stack without the change, final: base and champion at the end,
compare), index, seed, outcome, reason, value, seconds, startup_seconds, train_seconds, eval_seconds, steps, tokens, tokens_per_second (of
the budget's clock) or null, flops_per_token (as the candidate counts them) or null, mfu (the share of the device's peak that they took),
cache_bytes (of compiled code that it began with, 0: cold), peak_memory, context, sha, curve (pairs of fraction and loss), log_tail, split,
isolation, isolation_note, dose, leak, leak_bound, audit_gap, audit_error (all bits per byte), audit_z, cpu_others, suspect (invalid for
its throughput), explanation and reproduction of a violation.
Outcome `stopped`: a screening run was ended early, since it was clearly losing; its value is null, its experiment a discard.
status: branch, metric, direction, state, base, champion, best, baseline, baseline_seeds, noise, change (start, start_seeds, now, seeds,
delta, low, high, fresh, p, proved; p is null until the final comparison has run) or null, sealed (the same on the sealed split) or null,
counts (of what was tried here, by status), tried, given (what was not tried here: carried, dropped, adopted), fates (id of what was tried
and kept -> in, out, merged, left), pruned (ids taken out again), expected_false_keeps (at most), screened and stopped_early (screening
runs that did not fail, and those of them that were stopped early), drifts (at, since, why, decided: ids), seconds (training, scoring,
startup, saving, bot, total), allocation (seconds of runs: screening, confirming, champion, leave_one_out, final, compare, failures;
saved_by_stopping: an estimate), runs, isolation (level -> runs), sealed_reads, context, machine (what it measures on and with, as far as
the record says), cost (requests, models, prompt_tokens, completion_tokens, cached_tokens, estimated, dollars, unpriced: requests of
unknown price, dollars_per_gain: for each confirmed or merged change) or null where no model was asked, imported (file -> status ->
experiments of other tools), updated, headline, oddities, beside (what its scouts on other devices have done: scouts, experiments, kept,
seconds, requests to models, dollars, unpriced) or null.
"""

from dataclasses import asdict
from statistics import fmean
from typing import Any

from bot.accounts import is_given
from bot.clean import throughput
from bot.history import History
from bot.records import Experiment, Measurement
from bot.report import cost, facts, imported, machine, proof, shown
from bot.report.allocation import allocation, spent
from bot.report.decisions import Decisions


def experiment(found: Experiment, context: str, history: History, known: Decisions | None = None) -> dict[str, Any]:
    """`known`: of the history, where several experiments are asked for."""
    known = known or Decisions(history)
    proposal, verdict = found.proposal, found.verdict
    label = known.labels.get(found.id) if found.status == "keep" else None
    value, checked = shown.value(history, found, context), proof.heavy(found)
    stale = found.id == 0 and not shown.current(history, verdict)
    return {
        "id": found.id,
        "status": found.status,
        "hypothesis": proposal.hypothesis if proposal else "baseline" if found.id == 0 else None,
        "source": proposal.source if proposal else None,
        "model": (proposal.model or None) if proposal else None,
        "params": dict(proposal.params) if proposal else {},
        "parent": proposal.parent if proposal else None,
        "commit": shown.commit(history, found) or None,
        "added": proposal.added if proposal else 0,
        "removed": proposal.removed if proposal else 0,
        "given": is_given(found),
        "carries": (proposal.carries or None) if proposal else None,
        "older": history.older(found),
        "value": value.value,
        "fresh": value.fresh,
        "delta": verdict.delta if verdict else None,
        "low": verdict.low if verdict else None,
        "high": verdict.high if verdict else None,
        "seeds": value.seeds if found.id == 0 else verdict.seeds if verdict else 0,
        "why": verdict.why if verdict and not stale else None,
        "leak_bound": checked.leak_bound if checked else None,
        "at": began(history, found),
        "drifted": found.id in known.drifted,
        "label": label.status if label else None,
        "effect": label.effect if label else None,
        "effect_low": label.low if label else None,
        "effect_high": label.high if label else None,
        "label_why": label.why if label else None,
    }


def began(history: History, found: Experiment) -> float | None:
    """Of the baseline: when the base that it is now was first measured."""
    runs = [m for m in found.measurements if m.sha == history.base] if found.id == 0 else found.measurements
    first = found.proposal or next(iter(runs), found.verdict)
    return first.at if first else None


RUN = ("role", "index", "seed", "outcome", "reason", "value", "seconds", "startup_seconds", "train_seconds", "eval_seconds", "steps",
       "tokens", "mfu", "cache_bytes", "peak_memory", "context", "sha", "log_tail", "split", "isolation", "isolation_note", "dose", "leak",
       "leak_bound", "audit_gap", "audit_error", "audit_z", "cpu_others", "suspect", "explanation", "reproduction")  # fmt: skip


def run(m: Measurement) -> dict[str, Any]:
    speed = {"tokens_per_second": throughput(m) or None, "flops_per_token": m.flops_per_token or None}
    return {name: getattr(m, name) for name in RUN} | speed | {"curve": [list(p) for p in curve(m)]}


def curve(m: Measurement) -> list[tuple[float, float]]:
    return list(zip(m.curve[::2], m.curve[1::2], strict=False))


def status(history: History, state: str) -> dict[str, Any]:
    known, start, took, time = Decisions(history), facts.baseline(history), spent(history), allocation(history)
    found, sealed = facts.change(history, known), facts.final(known, "sealed")
    return {
        "branch": history.opened.branch if history.opened else None,
        "metric": history.metric,
        "direction": history.direction,
        "state": state,
        "base": history.base,
        "champion": history.champion_sha,
        "best": facts.standing(history, known),
        "baseline": fmean(start) if start else None,
        "baseline_seeds": len(start),
        "noise": facts.noise(history),
        "change": asdict(found) if found else None,
        "sealed": {k: v for k, v in asdict(sealed).items() if k not in ("fresh", "proved")} if sealed else None,
        "counts": history.counts(),
        "tried": history.tried,
        "given": history.given_counts(),
        "fates": history.fates,
        "pruned": [id for id, label in known.labels.items() if label.status == "pruned"],
        "expected_false_keeps": known.false_keeps,
        "screened": time.screened,
        "stopped_early": time.stopped,
        "drifts": [{"at": d.at, "since": d.since, "why": d.why, "decided": known.during(d)} for d in history.drifts],
        "seconds": {k: v for k, v in asdict(took).items() if k != "runs"} | {"total": took.total},
        "allocation": time.seconds | {"saved_by_stopping": time.saved},
        "runs": took.runs,
        "isolation": dict(proof.levels(history)),
        "sealed_reads": proof.sealed_reads(history),
        "context": history.context,
        "machine": dict(ran.machine) if (ran := machine.opening(history)) else {},
        "cost": _cost(known),
        "imported": imported.counts(history),
        "updated": history.last_at or None,
        "headline": facts.headline(history, known),
        "oddities": list(history.oddities),
    }


def _cost(known: Decisions) -> dict[str, Any] | None:
    found = cost.bill(known.history)
    return asdict(found) | {"requests": found.requests, "dollars_per_gain": cost.per_gain(found, known)} if found else None
