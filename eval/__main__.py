"""Command line of the referee.

    python -P -m eval measure --candidate DIR --entry train/train.py --corpus DIR --seed 1 --budget "10s cpu" --out result.json
    python -P -m eval machine --device auto

`measure`: JSON lines on stdout for live display ({"phase", "progress", "loss", "spent"}, at most five a second), sentences on stderr.
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
from eval.errors import RefereeError
from eval.measure import Request, measure, write

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
        spent = round(server.clock.spent(), 3)
        line = {"phase": phase, "progress": round(min(1.0, progress), 4), "loss": server.result.loss, "spent": spent}
        try:
            print(json.dumps(line), flush=True)
        except BrokenPipeError:
            self.open = False
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else the flush at exit fails again: exit code 120


def parser() -> argparse.ArgumentParser:
    main = argparse.ArgumentParser(prog="python -P -m eval", description="The referee.")
    commands = main.add_subparsers(dest="command", required=True)
    run = commands.add_parser("measure", help="train a candidate and score it")
    run.add_argument("--candidate", type=Path, required=True, help="folder with the candidate's files")
    run.add_argument("--entry", default="train/train.py", help="its entry file, relative to that folder")
    run.add_argument("--corpus", type=Path, required=True, help="a prepared corpus (eval.corpus)")
    run.add_argument("--seed", type=int, required=True)
    run.add_argument("--split", choices=["val", "sealed"], default="val")
    run.add_argument("--budget", required=True, help="5m (wall time) or '10s cpu' (CPU seconds of the whole process tree)")
    run.add_argument("--sequence-length", type=int, default=256, help="tokens in a row, for training and scoring")
    run.add_argument("--eval-tokens", type=int, default=32768, help="scored tokens")
    run.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    run.add_argument("--sandbox", choices=["auto", "require", "none"], default="auto")
    run.add_argument("--scratch", type=Path, default=Path(tempfile.gettempdir()), help="where the private folder is made, and wiped")
    run.add_argument("--out", type=Path, required=True, help="where the result is written")
    machine = commands.add_parser("machine", help="print this machine's fingerprint")
    machine.add_argument("--device", choices=["auto", "cpu", "cuda", "mps"], default="auto")
    return main


def run_measure(args: argparse.Namespace) -> int:
    def terminated(*_) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not interrupt the clean-up
        raise Terminated

    try:
        signal.signal(signal.SIGTERM, terminated)
        result = measure(requested(args), Display())
        write(result, args.out)
    except Terminated:
        return 143
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise RefereeError(f"the disk is full ({error}); free some space, or set --scratch and --out to another disk") from None
    value = "none" if result["val_bpb"] is None else f"{result['val_bpb']:.6f}"
    print(f"{result['outcome']}: val_bpb {value} {result['reason']}".rstrip(), file=sys.stderr)
    return 0


def requested(args: argparse.Namespace) -> Request:
    """The measurement that the command line asks for. RefereeError where it asks for nonsense."""
    try:
        budget = Budget.parse(args.budget)
    except ValueError as error:
        raise RefereeError(str(error)) from None
    if not args.out.resolve().parent.is_dir() or args.out.is_dir():
        raise RefereeError(f"--out {args.out} must name a file in a folder that exists")
    print("no sandbox: the candidate can read what this user can read and use the network", file=sys.stderr)
    names = ("candidate", "entry", "corpus", "seed", "split", "sequence_length", "eval_tokens", "device", "sandbox", "scratch")
    return Request(budget=budget, **{name: getattr(args, name) for name in names})


def run_machine(args: argparse.Namespace) -> int:
    from eval.fingerprint import describe

    try:
        print(json.dumps(describe(args.device)))
    except ValueError as error:
        raise RefereeError(str(error)) from None
    return 0


def main(argv: list[str] | None = None) -> int:
    args = parser().parse_args(argv)
    try:
        return run_measure(args) if args.command == "measure" else run_machine(args)
    except RefereeError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
