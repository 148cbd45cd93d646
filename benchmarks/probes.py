"""What the second worker costs and what escapes it.

    python benchmarks/probes.py --cost [repeats]    scoring + probes + isolation against scoring alone, in one run (goal: at most 1.10)
    python benchmarks/probes.py --escape            chance of each kind of leak to escape, for mixtures of the draws
    python benchmarks/probes.py --rounding          how far honest answers of two workers differ on this machine
    python benchmarks/probes.py --alarms            false alarms of the judgement under simulated rounding

--escape trains two small models (10 CPU seconds each, embedded corpus) and lays leaks worth 0.004 bits per byte into the second one's bits
of each token; the first is the champion. The chances are computed, not sampled.
"""

import itertools
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"

import numpy as np  # noqa: E402

from eval import agreement, probes  # noqa: E402
from eval.reference import Reference  # noqa: E402

HOLES = ("where it is worse than the champion, up to it", "the same, at random")
LEAST_UNIFORM = 0.3  # for leaks that leave no advantage anywhere: they need a copy of the champion beside the model
GAIN = 0.004  # bits per byte
LENGTH, EVAL_TOKENS = 256, 32_768


# ----------------------------------------------------------------------------------------------------------------------
# Escape


def measured(folder: Path, name: str, seed: int, source: str, corpus: Path) -> np.ndarray:
    """Bits (R, T) of a model trained with `source` as its train.py."""
    home = folder / name
    shutil.copytree(ROOT / "train", home / "train")
    (home / "train" / "train.py").write_text(source)
    argv = [sys.executable, "-P", "-m", "eval", "measure", "--candidate", home, "--corpus", corpus, "--seed", seed, "--budget", "10s cpu"]
    argv += ["--out", folder / f"{name}.json", "--save-bits", folder / f"{name}.npz", "--scratch", folder / "scratch"]
    subprocess.run([str(part) for part in argv], check=True, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": str(ROOT)})
    return Reference.load(folder / f"{name}.npz").val.astype(np.float64)


def leaks(bits: np.ndarray, champion: np.ndarray, sizes: np.ndarray) -> dict[str, np.ndarray]:
    """Bits of the candidate with leaks that are worth GAIN each (the last one more). `bits`: without."""
    worth, rng, flat = GAIN * sizes.sum(), np.random.default_rng(0), bits.ravel()

    def reveal(order: np.ndarray, to: np.ndarray) -> np.ndarray:
        """The first positions of `order` lowered to `to` until it is worth it."""
        saved = np.maximum(0.0, flat - to)[order]
        count = int(np.searchsorted(np.cumsum(saved), worth)) + 1
        out = flat.copy()
        out[order[:count]] = np.minimum(flat, to)[order[:count]]
        return out.reshape(bits.shape)

    anywhere, nothing = rng.permutation(flat.size), np.full(flat.size, 0.05)
    holes = (flat - champion.ravel()).argsort()[::-1]
    found = {
        "every surprise told, dearest first": reveal(flat.argsort()[::-1], nothing),
        "random positions told": reveal(anywhere, nothing),
        "surprises told by half, dearest first": reveal(flat.argsort()[::-1], flat / 2),
        "random positions, half of the bits": reveal(anywhere, flat / 2),
        "random positions, a quarter of the bits": reveal(anywhere, flat * 0.75),
        "random positions, a tenth of the bits": reveal(anywhere, flat * 0.9),
        "random positions, a thirtieth of the bits": reveal(anywhere, flat * (1 - 1 / 30)),
        HOLES[0]: reveal(holes, champion.ravel()),
        HOLES[1]: reveal(anywhere, np.minimum(flat, champion.ravel())),
    }
    told = flat.copy()
    told[anywhere[: flat.size // 100]] = 0.05
    return found | {"look-ahead at 1 % of positions": told.reshape(bits.shape)}


def escape() -> None:
    from eval.corpus import Corpus, default_cache_dir, prepare

    with tempfile.TemporaryDirectory() as folder:
        corpus = Corpus.open(prepare("embedded", 2048, default_cache_dir(), notify=lambda text: None))
        source = (ROOT / "train" / "train.py").read_text()
        champion = measured(Path(folder), "champion", 1, source, corpus.path)
        other = measured(Path(folder), "candidate", 2, source, corpus.path)
        sizes = row_sizes(corpus)
    tables(champion, other, sizes)


def row_sizes(corpus) -> np.ndarray:
    from eval.score import windows

    tokens = corpus.tokens("val")
    starts = windows(len(tokens), LENGTH, EVAL_TOKENS)
    return corpus.token_bytes[tokens[starts[:, None] + np.arange(1, LENGTH + 1)]]


def tables(champion: np.ndarray, bits: np.ndarray, sizes: np.ndarray) -> None:
    """Prints: the chance of a hit for one draw, leak by leak, share by share; the best mixture; its escape chances."""
    gain = np.maximum(0.0, champion - bits)
    print(f"bits a token: champion {champion.mean():.3f}, candidate {bits.mean():.3f}; mean advantage where there is one {gain.mean():.3f}")
    print(f"a leak of {GAIN} bits per byte is {GAIN * sizes.sum() / bits.size:.4f} bits a token")
    kinds = leaks(bits, champion, sizes)
    parts = {name: [hit(leaked, bits, champion, sizes, share) for share in np.eye(3)] for name, leaked in kinds.items()}
    grid = [s for s in itertools.product(np.arange(0, 1.01, 0.05), repeat=3) if abs(sum(s) - 1) < 1e-9 and s[0] >= LEAST_UNIFORM]
    seen = [chances for name, chances in parts.items() if name not in HOLES]
    best = max(grid, key=lambda share: min(np.dot(share, chances) for chances in seen))
    worst = [min(np.dot(share, chances) for chances in seen) for share in (best, (1, 0, 0), (0.5, 0.5, 0), probes.SHARES)]
    print(f"shares (uniform >= {LEAST_UNIFORM}, advantage, its square) whose worst case is best: {tuple(round(float(s), 2) for s in best)}")
    print(f"worst chance of one draw: {worst[0]:.3%}; all uniform {worst[1]:.3%}; half and half {worst[2]:.3%}; ours {worst[3]:.3%}")
    print(f"\n{'leak':47} positions  uniform advantage  square | mixture {probes.SHARES}: one draw, 6 draws escape, 256 escape")
    for name, chances in parts.items():
        p, share = float(np.dot(probes.SHARES, chances)), (kinds[name] != bits).mean()
        single = " ".join(f"{chance:8.3%}" for chance in chances)
        print(f"{name:47} {share:9.3%} {single} | {p:8.3%} {(1 - p) ** 6:10.1%} {(1 - p) ** 256:12.2%}")


def hit(leaked: np.ndarray, bits: np.ndarray, champion: np.ndarray, sizes: np.ndarray, shares) -> float:
    """The chance that one draw tests a position that leaks."""
    before, probes.SHARES = probes.SHARES, tuple(shares)
    mass = probes.masses(leaked, champion, sizes)
    probes.SHARES = before
    return float(mass[leaked != bits].sum())


# ----------------------------------------------------------------------------------------------------------------------
# False alarms


def alarms() -> None:
    rng = np.random.default_rng(0)
    print("rounding (rate of router flips, their size, the rest), room: false alarms per measurement, light and heavy")
    cases = [(0, 0, 1e-6, False), (1e-6, 0.3, 1e-6, False), (1e-5, 0.3, 1e-6, False), (1e-4, 0.3, 1e-6, False)]
    for rate, size, base, coarse in [*cases, (0, 0, 0.01, True), (1e-4, 0.3, 1e-3, True), (1e-3, 0.3, 1e-3, True), (1e-2, 0.3, 0.01, True)]:
        found = [sum(alarm(rng, cuts, rate, size, base, coarse) for _ in range(tries)) / tries for cuts, tries in ((6, 5000), (256, 500))]
        print(f"{rate:7.0e} {size:4.1f} {base:7.0e} {'coarse' if coarse else 'fine':6} {found[0]:8.4f} {found[1]:8.4f}")


def alarm(rng: np.random.Generator, cuts: int, rate: float, size: float, base: float, coarse: bool) -> bool:
    found = []
    for cut in rng.integers(1, LENGTH, cuts):
        noise = rng.normal(0, base, cut) + (rng.random(cut) < rate) * rng.laplace(0, size, cut)
        found.append(agreement.Compared(probes.Probe(0, int(cut), cuts / EVAL_TOKENS, np.empty(0)), np.zeros(cut), noise))
    facts = agreement.estimate(found, np.zeros((1, 1)), np.ones((1, 1)), EVAL_TOKENS * 3)
    return agreement.suspect(found, facts, coarse, 3.0) is not None


# ----------------------------------------------------------------------------------------------------------------------
# Rounding


def rounding() -> None:
    from eval import evaluate
    from tests.eval import desks, models

    text, kept = desks.corpus(val=40_000), []
    judge, evaluate.judge = evaluate.judge, lambda found, *rest: kept.append(found)
    large = models.MOE.replace("D, H, CAUSAL, DTYPE, DROP = 32", "D, H, CAUSAL, DTYPE, DROP = 128")
    many = large.replace("nn.Linear(D, 16)", "nn.Linear(D, 64)").replace("range(16)", "range(64)")
    many = many.replace("self.head(h)", "8 * self.head(h)")
    sources = {"dense": models.TRANSFORMER, "16 experts": models.MOE, "16 experts, width 128": large, "64, large logits": many}
    print("differences of the bits of two workers: share that is not zero, largest")
    for name, source in sources.items():
        for dtype in ("float32", "bfloat16"):
            desks.run(source.replace("torch.float32", f"torch.{dtype}"), text, 64, 16_384, dose="heavy", probe_seed=1)
            apart = np.abs(np.concatenate([pair.difference for pair in kept.pop()]))
            print(f"{name:22} {dtype:9} {(apart > 0).mean():7.2%} {apart.max():.1e} bits")
    evaluate.judge = judge


# ----------------------------------------------------------------------------------------------------------------------
# Cost


def cost(repeats: int = 3) -> None:
    import scoring

    with tempfile.TemporaryDirectory() as name:
        bench = scoring.Bench(Path(name))
        print(f"isolation: {bench.sandbox.level}")
        bench.alone()
        found = {key: [] for key in ("one process", "first worker alone", "light", "light and starting", "heavy")}
        for _ in range(repeats):  # interleaved, so that a neighbour on the machine disturbs all alike
            found["one process"].append(bench.alone()[:2])
            found["first worker alone"].append(bench.scored()[:2])
            (wall, cpu), start = bench.evaluated("light")
            found["light"].append((wall, cpu))
            found["light and starting"].append((wall + start[0], cpu + start[1]))
            found["heavy"].append(bench.evaluated("heavy")[0])
    median = {key: [statistics.median(side) for side in zip(*pairs, strict=True)] for key, pairs in found.items()}
    print(f"medians of {repeats:<10} wall s   CPU s   both over the first worker alone, over one process")
    for key, (wall, cpu) in median.items():
        over = [part / median[base][i] for base in ("first worker alone", "one process") for i, part in enumerate((wall, cpu))]
        print(f"{key:20} {wall:8.3f} {cpu:7.3f}   {over[0]:6.3f} {over[1]:6.3f}   {over[2]:6.3f} {over[3]:6.3f}")


if __name__ == "__main__":
    started = time.monotonic()
    options = {"--escape": escape, "--alarms": alarms, "--rounding": rounding, "--cost": cost}
    chosen = [arg for arg in sys.argv[1:] if arg in options] or ["--cost"]
    for option in chosen:
        options[option](*(int(arg) for arg in sys.argv[1:] if arg.isdigit() and option == "--cost"))
    print(f"({time.monotonic() - started:.0f} s)")
