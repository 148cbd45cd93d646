"""The two halves of a measurement: the training up to its checkpoint, and the scoring of that. Both fill `run.result` as they go."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

from eval import devices, snapshot
from eval.errors import Failed
from eval.folders import copy
from eval.limits import Limits
from eval.part import Part

if TYPE_CHECKING:
    from eval.run import Run
    from eval.score import Worker
    from eval.training import Server


def train(run: "Run", trainer: Part, device: str) -> Path:
    """Runs the training to its complete checkpoint; the folder that holds it. The trainer's tree is dead afterwards."""
    from eval.training import STARTUP_SECONDS

    stopped, tokens = None, run.corpus.tokens("train")
    server = run.server = serving(run, trainer, tokens)
    watch = watching(run, trainer, server)
    order = {"output": str(server.output), "seed": run.request.seed, "dtype": str(tokens.dtype), "cache": str(trainer.inside)}
    trainer.channel.send(op="go", files=run.before, **order, **run.common)
    try:
        training = server.run(STARTUP_SECONDS[device], watch, run.notify)
    except Failed as failed:
        if failed.outcome != "stopped":
            raise
        stopped = failed
    finally:
        run.result["neighbours"] = run.neighbours.end()
        survivors = trainer.kill()
        describe(run.result, server)
    if survivors:
        raise Failed("invalid", f"processes {survivors} survived SIGKILL; the machine needs a look")
    run.neighbours.judge()
    run.neighbours.freed()
    if stopped:  # only now: on a machine that somebody else slowed it would say nothing
        raise stopped
    run.result |= {"train_wall_seconds": training.train_wall_seconds, "save_seconds": training.save_seconds}
    return server.output


def serving(run: "Run", trainer: Part, tokens) -> "Server":
    """What serves the trainer, once it is told to go."""
    from eval.batches import Stream
    from eval.clock import Clock
    from eval.training import Server

    request, output = run.request, trainer.folder / "output"
    clock, stream = Clock(request.budget, trainer.child.tree), Stream(tokens, request.sequence_length, request.seed)
    times = (run.launched, run.oom_before)
    return Server(trainer.child, trainer.channel, trainer.memory, stream, clock, output, *times, request.stop_above)


def watching(run: "Run", trainer: Part, server: "Server"):
    """To be called on every turn, see `Server.run`: whether both workers are warm, for which the first real batch waits. Failed if
    someone breaks a limit or disturbs."""
    limits, began = Limits(trainer.child.tree, trainer.folder), False

    def before_first() -> None:
        """The candidate waits for its first batch and knows nothing of the text: what it compiled may be handed on."""
        if run.request.keep_cache:
            limits.free -= snapshot.copy(trainer.compiled, run.request.keep_cache)  # the copy is ours

    def watch() -> bool:
        nonlocal began
        limits.look()
        if server.clock.started:
            if not began:
                run.neighbours.begin(run.cpu_seconds, run.pids, run.request.budget)
                began = True
            run.neighbours.look()
        return all([worker.alive(run.oom_before) for worker in run.workers])

    server.before_first = before_first
    return watch


def describe(result: dict, server: "Server") -> None:
    """Training's numbers into the result, for failures too."""
    training, clock = server.result, server.clock
    wall, seconds = clock.wall(), training.train_seconds or min(clock.spent(), clock.budget.seconds)
    took = wall if clock.budget.clock == "cpu" else seconds
    result |= {
        "steps": training.steps,
        "tokens": training.tokens,
        "epochs": server.stream.epochs,
        "startup_seconds": training.startup_seconds or time.monotonic() - server.launched,
        "startup_cpu_seconds": clock.base or 0.0 if clock.budget.clock == "cpu" else 0.0,
        "train_seconds": seconds,
        "train_wall_seconds": wall,
        "tokens_per_second": training.tokens / seconds if seconds > 0 else 0.0,
        "flops_per_token": training.flops,
        "mfu": devices.utilization(result["machine"]["device_name"], training.flops, training.tokens, took),
        "peak_memory": training.peak_memory or server.trainer.tree.peak,
        "curve": training.curve(),
    }


def score(run: "Run", files: list[Path]) -> None:
    """The first worker scores, the second must agree. Each sees its own copy of the checkpoint and nothing else of the trainer's."""
    from eval.evaluate import evaluate
    from eval.reference import Reference

    request, began, waiting = run.request, time.monotonic(), iter(run.workers)
    found = evaluate(
        lambda: open_worker(run, next(waiting, None) or run.spawn("third"), files),  # a third only where the second leaves a doubt
        run.common,
        run.corpus,
        request.split,
        request.eval_tokens,
        dose=request.dose,
        reference=Reference.load(request.reference) if request.reference else None,
        probe_seed=request.probe_seed,
        metric_version=run.result["metric_version"],
        notify=lambda done: run.notify("score", done, run.server),
        settling=lambda done: run.notify("settle", done, run.server),
    )
    scored = found.score
    run.result |= {"bits": scored.bits, "bytes": scored.bytes, "scored_tokens": scored.tokens, "val_bpb": scored.bits / scored.bytes}
    run.result |= {"leak": found.leak, "audit": found.audit, "eval_seconds": time.monotonic() - began}
    if request.save_bits:
        found.bits.save(request.save_bits)


def open_worker(run: "Run", part: Part, files: list[Path]) -> "Worker":
    """Our end of a worker that is warm, with its own copy of the checkpoint to come."""
    from eval.score import Worker

    while not part.alive(run.oom_before):
        time.sleep(0.01)
    worker = Worker(part.child, part.channel, part.memory, run.oom_before)
    worker.order = {"output": str(part.folder / "output")}
    worker.watch, worker.close = Limits(part.child.tree, part.folder).look, part.kill
    worker.scratch, part.worker = part.folder, worker
    worker.place = lambda: copy(files, part.folder / "output")
    if (warm := run.folder / "rehearsal").is_dir():
        copy(list(warm.iterdir()), part.folder / "rehearsal")
        worker.rehearsal = str(part.folder / "rehearsal")
    if run.server:
        worker.meter = part.child.tree.cpu_seconds if run.request.budget.clock == "cpu" else time.monotonic
        worker.allowance = lambda tokens: scoring_allowance(run, tokens)
    return worker


def scoring_allowance(run: "Run", tokens: int) -> float:
    """Seconds on the budget's clock."""
    result, trained = run.result, max(1, run.result["tokens"])
    cost, logits = tokens * result["train_seconds"] / trained, 4 * tokens * run.corpus.vocab_size
    return run.request.budget.scoring_allowance(result["checkpoint_bytes"], cost, logits)
