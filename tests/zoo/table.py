"""Prints the zoo's table of docs/referee.md: every model measured by the referee and by the reference, then scored again and again.

    python -m tests.zoo.table [--repeats 10] [--keep DIR] [MODEL...]        (all models: about ten minutes on two cores)
"""

import argparse
import tempfile
from pathlib import Path

from tests.eval import rig
from tests.zoo import COMPILES, MODELS
from tests.zoo.runs import EVAL_TOKENS, Run, ask, train

HEAD = """| model | what is odd about it | val_bpb | reference | difference | agreement of the workers |
|---|---|---|---|---|---|"""


def agreement(found: dict | None, run: Run) -> str:
    if found is None:
        return "exact (one scoring)" if run.result["leak"]["exact"] else "not exact (one scoring)"
    if found["exact"]:
        return "exact"
    return f"within {found['worst']:.1e} bits"


def line(run: Run, reference: float, found: dict | None) -> str:
    odd, result = MODELS[run.name].odd.splitlines()[0], run.result
    if result["outcome"] != "ok":
        return f"| {run.name} | {odd} | {result['outcome']}: {result['reason']} | | | |"
    difference = result["val_bpb"] - reference
    return f"| {run.name} | {odd} | {result['val_bpb']:.6f} | {reference:.6f} | {difference:+.1e} | {agreement(found, run)} |"


def tell(folder: Path, names: list[str], repeats: int) -> None:
    corpus = folder / "corpus"
    if not corpus.exists():
        rig.make_corpus(corpus)
    runs = list(train(names, folder / "runs", corpus))
    passed = [run for run in runs if run.result["outcome"] == "ok"]
    reference = ask("reference", corpus, str(EVAL_TOKENS), *(run.folder for run in passed))
    again = [run for run in passed if run.name != COMPILES]
    found = ask("alarms", corpus, str(repeats), *(run.folder for run in again)) if repeats else {}
    print(HEAD)
    for run in runs:
        print(line(run, reference.get(run.name, 0.0), found.get(run.name)))
    levels = sorted({run.result["isolation"] for run in runs})
    print(f"\n{len(passed)} of {len(runs)} pass; isolation: {', '.join(levels)}")
    alarms = [(name, alarm) for name, one in found.items() for alarm in one["alarms"]]
    compared = sum(one["positions"] for one in found.values())
    print(f"false alarms: {len(alarms)} in {sum(one['scorings'] for one in found.values())} scorings, {compared} positions compared")
    for name, alarm in alarms:
        print(f"- {name}: {alarm}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help="default: all")
    parser.add_argument("--repeats", type=int, default=10, help="scorings of each checkpoint, light and heavy in turn")
    parser.add_argument("--keep", type=Path, help="folder of corpus, checkpoints and results, used again; default: a temporary one")
    args = parser.parse_args()
    for name in args.models:
        if name not in MODELS:
            parser.error(f"no model {name}; there are {', '.join(MODELS)}")
    if args.keep:
        args.keep.mkdir(parents=True, exist_ok=True)
        tell(args.keep, args.models or list(MODELS), args.repeats)
        return
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        tell(Path(folder), args.models or list(MODELS), args.repeats)


if __name__ == "__main__":
    main()
