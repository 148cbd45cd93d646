"""Seconds from the launch of a measurement to its first real batch, in the strongest sandbox: of train.py, and of it compiled.

    python benchmarks/startup.py [--runs 3] [--device auto]

Cold: nothing was compiled before. Warm: with what the cold run had compiled before its first batch, as the bot hands it to repeats; and
with another constant in the file, as it hands a champion's to its rivals. On a GPU train.py compiles itself; on a CPU a variant does, one
function of it, which no CPU preset pays for. CPU seconds are of the training's processes alone, and say more where the machine has other
work.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from eval.cache import default_cache_dir  # noqa: E402
from eval.corpus import prepare  # noqa: E402
from eval.fingerprint import describe  # noqa: E402

ENTRY = "train/train.py"
SHAPE = {"cpu": (256, "1s cpu"), "mps": (512, "2s"), "cuda": (2048, "5s")}  # tokens in a row, budget
MAIN = 'if __name__ == "__main__":\n'
COMPILE = "    rotate = torch.compile(rotate, dynamic=False)\n"


def variants(device: str) -> dict[str, str]:
    """Name -> text of a train.py."""
    text = (ROOT / ENTRY).read_text()
    assert MAIN in text, f"{ENTRY} has no {MAIN!r}"
    return {"train.py": text} | ({} if device == "cuda" else {"rotary compiled": text.replace(MAIN, MAIN + COMPILE)})


def another(text: str) -> str:
    """The same with another constant, as the constants proposer changes one."""
    found, count = re.subn(r"^GATE_LR = [0-9.]+", "GATE_LR = 0.02", text, count=1, flags=re.MULTILINE)
    assert count, f"{ENTRY} has no GATE_LR"
    return found


def measure(folder: Path, text: str, device: str, corpus: Path, **options) -> dict:
    """The referee's result."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        candidate, out = Path(own) / "candidate", Path(own) / "result.json"
        (candidate / ENTRY).parent.mkdir(parents=True)
        (candidate / ENTRY).write_text(text)
        length, budget = SHAPE[device]
        given = {"candidate": candidate, "corpus": corpus, "seed": 1, "budget": budget, "device": device, "out": out, "scratch": own}
        given |= {"sequence-length": length, "eval-tokens": max(4096, length), "locks": folder} | options
        words = [word for name, value in given.items() for word in (f"--{name}", str(value))]
        subprocess.run([sys.executable, "-P", "-m", "eval", "measure", *words], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        result = json.loads(out.read_text())
    assert result["startup_seconds"] and result["tokens"], (result["outcome"], result["reason"], result["log_tail"])
    return result


def row(name: str, how: str, results: list[dict]) -> str:
    seconds = [result["startup_seconds"] for result in results]
    spread = f"{min(seconds):.1f} to {max(seconds):.1f}"
    cpu = median(result["startup_cpu_seconds"] for result in results)
    return f"{name:20} {how:28} {median(seconds):8.1f} {spread:>14} {cpu:8.1f} {results[-1]['cache_bytes'] / 1e6:9.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description="from launch to the first real batch, cold and warm")
    parser.add_argument("--runs", type=int, default=3, help="of each")
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "mps", "cuda"])
    args = parser.parse_args()
    machine = describe(args.device)
    device = machine["device"]
    corpus = prepare("embedded", 2048 if device == "cpu" else 8192, default_cache_dir(), print)
    print(f"{machine['device_name']}, {machine['cores']} cores, torch {machine['torch']}")
    print(f"{'variant':20} {'start':28} {'median s':>8} {'range s':>14} {'CPU s':>8} {'cache MB':>9}", flush=True)
    for name, text in variants(device).items():
        with tempfile.TemporaryDirectory() as top:
            folder, kept = Path(top), [Path(top) / f"kept{number}" for number in range(args.runs)]
            cold = [measure(folder, text, device, corpus, **{"keep-cache": to}) for to in kept]
            print(row(name, f"cold ({cold[0]['isolation']})", cold), flush=True)
            if not kept[-1].is_dir():
                continue  # it compiles nothing
            for how, changed in (("warm, the same files", text), ("warm, another constant", another(text))):
                warm = [measure(folder, changed, device, corpus, cache=kept[-1]) for _ in kept]
                print(row(name, how, warm), flush=True)


if __name__ == "__main__":
    main()
