"""Command line of the referee.

    python -P -m eval measure --candidate DIR --entry train/train.py --corpus DIR --seed 1 --budget "10s cpu" --out result.json
    python -P -m eval score --checkpoint DIR --candidate DIR --corpus DIR --out result.json
    python -P -m eval profile --candidate DIR --corpus DIR --seed 1 --steps 10 --trace trace.json.gz --out result.json
    python -P -m eval machine --device auto

`score` loads and scores a saved checkpoint, with the same workers, probes and result; `profile` (eval.profiling)
scores nothing. They print JSON lines on stdout for live display ({"phase", "progress", "loss", "spent"}, at most five a second) and
sentences on stderr.
Exit 0 when the result was written, whatever the outcome; 2 for bad arguments, corpus or interpreter; 143 after SIGTERM (nothing
left running, no result).
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from eval.budget import Budget
from eval.cache import FULL
from eval.early import parse
from eval.errors import RefereeError
from eval.measure import measure
from eval.request import Request, write

LINE_SECONDS = 0.2  # between two lines of live display


class Terminated(BaseException):
    """SIGTERM. Not an Exception: it must reach the `finally` blocks that kill and wipe, and nothing else."""


class Display:
    """Prints what is going on; a reader that went away is not the measurement's business."""

    def __init__(self):
        self.phase, self.at, self.open = "", 0.0, True

    def __call__(self, phase: str, progress: float, server) -> None:
        now = time.monotonic()
        if not self.open or phase == self.phase and now - self.at < LINE_SECONDS:
            return
        self.phase, self.at = phase, now
        loss, spent = (server.result.loss, round(server.clock.spent(), 3)) if server else (None, 0.0)
        line = {"phase": phase, "progress": round(min(1.0, progress), 4), "loss": loss, "spent": spent}
        try:
            print(json.dumps(line), flush=True)
        except BrokenPipeError:
            self.open = False
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the flush at exit fails again: exit code 120


def parser() -> argparse.ArgumentParser:
    main = argparse.ArgumentParser(prog="python -P -m eval", description="The referee.")
    commands = main.add_subparsers(dest="command", required=True)
    run = commands.add_parser("measure", help="train a candidate and score it")
    run.add_argument("--budget", required=True, help="5m (wall time) or '10s cpu' (CPU seconds of the whole process tree)")
    run.add_argument(
        "--stop-above", type=parse, action="append", default=[], metavar="FRACTION:LOSS[:LEVEL]",
        help="end the training if its loss is higher at that fraction of the budget (and was not below the LEVEL before); repeatable",
    )  # fmt: skip
    run.add_argument("--keep-checkpoint", type=Path, help="also copy the checkpoint to this folder")
    run.add_argument("--cache", type=Path, help="what an earlier run compiled; the training gets a private copy")
    run.add_argument("--keep-cache", type=Path, help="also copy what is compiled before the first real batch to this new folder")
    saved = commands.add_parser("score", help="score a saved checkpoint")
    saved.add_argument("--checkpoint", type=Path, required=True, help="folder with model.safetensors and config.json")
    profiled = commands.add_parser("profile", help="record a few training steps with torch's profiler; no score")
    profiled.add_argument("--steps", type=int, default=10, help="optimizer steps to record")
    profiled.add_argument("--cache", type=Path, help="what an earlier run compiled; the training gets a private copy")
    profiled.add_argument("--trace", type=Path, required=True, help="where the chrome trace is written (gzip)")
    for command, seed in ((run, {"required": True}), (saved, {"default": 0}), (profiled, {"default": 0})):
        command.add_argument("--seed", type=int, **seed)
        common(command)
    scoring(run)
    scoring(saved)
    machine = commands.add_parser("machine", help="print this machine's fingerprint")
    machine.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    return main


def common(run: argparse.ArgumentParser) -> None:
    run.add_argument("--candidate", type=Path, required=True, help="folder with the candidate's files")
    run.add_argument("--entry", default="train/train.py", help="its entry file, relative to that folder")
    run.add_argument("--corpus", type=Path, required=True, help="a prepared corpus (eval.corpus)")
    run.add_argument("--sequence-length", type=int, default=256, help="tokens in a row, for training and scoring")
    run.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    run.add_argument("--sandbox", choices=["auto", "require", "none", "bubblewrap", "landlock"], default="auto")
    run.add_argument("--launcher", default=sys.executable, help="an interpreter with landlockpy, for Landlock")
    run.add_argument("--readable", type=Path, action="append", default=[], help="another path that the candidate may read; repeatable")
    temp = Path(tempfile.gettempdir())
    run.add_argument("--locks", type=Path, default=temp, help="folder of the device locks: one measurement at a time per device")
    run.add_argument("--scratch", type=Path, default=temp, help="where the private folder is made, and wiped")
    run.add_argument("--out", type=Path, required=True, help="where the result is written")


def scoring(run: argparse.ArgumentParser) -> None:
    run.add_argument("--split", choices=["val", "sealed"], default="val")
    run.add_argument("--eval-tokens", type=int, default=32768, help="scored tokens")
    run.add_argument("--dose", choices=["light", "heavy"], default="light", help="how much the second worker is asked (docs/referee.md)")
    run.add_argument("--reference", type=Path, help="the champion's per-token bits, which tell where a leak would pay")
    run.add_argument("--save-bits", type=Path, help="where to put this candidate's per-token bits")
    run.add_argument("--probe-seed", type=int, help="repeat the probes of an earlier result; default: from the system")


def run_measure(args: argparse.Namespace) -> int:
    def terminated(*_) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt the clean-up
        raise Terminated

    try:
        signal.signal(signal.SIGTERM, terminated)
        result = answer(args)
        write(result, args.out)
        if result["isolation"] == "none":
            print(f"no sandbox: {result['isolation_note']}", file=sys.stderr)
    except Terminated:
        return 143
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise RefereeError(f"the disk is full ({error}); free some space, or set --scratch and --out to another disk") from None
    value = result.get("val_bpb")
    shown = "" if args.command == "profile" else f" val_bpb {'none' if value is None else f'{value:.6f}'}"
    print(f"{result['outcome']}:{shown} {result['reason']}".rstrip(), file=sys.stderr)
    return 0


def answer(args: argparse.Namespace) -> dict:
    if args.command != "profile":
        return measure(requested(args), Display())
    from eval.profiling import profile

    if not args.trace.resolve().parent.is_dir() or args.trace.is_dir():
        raise RefereeError(f"--trace {args.trace} must name a file in a folder that exists")
    return profile(requested(args), args.steps, args.trace, Display())


def requested(args: argparse.Namespace) -> Request:
    """The measurement that the command line asks for. RefereeError where it asks for nonsense."""
    given = {name: value for name, value in vars(args).items() if name not in ("command", "out", "steps", "trace")}
    try:
        given["budget"] = Budget.parse(args.budget) if args.command == "measure" else None
    except ValueError as error:
        raise RefereeError(str(error)) from None
    if not args.out.resolve().parent.is_dir() or args.out.is_dir():
        raise RefereeError(f"--out {args.out} must name a file in a folder that exists")
    if given.get("probe_seed", 0) is None:
        del given["probe_seed"]
    if args.command == "profile":
        given |= {"split": "train", "eval_tokens": 1}  # nothing is scored
    lists = {name: tuple(given[name]) for name in ("readable", "stop_above") if name in given}
    return Request(**given | lists)


def run_machine(args: argparse.Namespace) -> int:
    from eval.fingerprint import describe

    try:
        print(json.dumps(describe(args.device)))
    except ValueError as error:
        raise RefereeError(str(error)) from None
    return 0


def main(argv: list[str] | None = None) -> int:
    try:
        args = parser().parse_args(argv)
        return run_machine(args) if args.command == "machine" else run_measure(args)
    except RefereeError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
