"""How fast the referee can serve batches: a candidate that computes nothing, and takes them as fast as they come.

    python benchmarks/serving.py

Real processes in the sandbox, the real protocol, 100 million random tokens. A run on a GPU asks for one to two million tokens a second.
`wait` is what one request costs the candidate: message, answer, copy, int64.
"""

import json
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from eval.corpus import FILES, digest_of, sha256  # noqa: E402
from tests.eval import rig  # noqa: E402

TOKENS = 100_000_000
SHAPES = ((2048, 16), (2048, 4), (256, 64), (256, 8))  # tokens in a row, rows in a batch
CANDIDATE = (
    rig.MODEL
    + """
if __name__ == "__main__":
    for inputs, targets in session.warmup(ROWS):
        pass
    waits, began = [], time.perf_counter()
    for inputs, targets in session.batches(ROWS):
        waits.append(time.perf_counter() - began)
        session.report(loss=1.0)
        began = time.perf_counter()
    waits = 1000 * np.array(waits[1:])
    print(f"WAIT:{np.median(waits):.2f} ms, 99 % below {np.percentile(waits, 99):.1f} ms", flush=True)
    save(torch.zeros(session.vocab_size, session.vocab_size))
"""
)


def corpus(folder: Path) -> Path:
    rig.make_corpus(folder)
    np.random.default_rng(0).integers(0, rig.BOS, TOKENS).astype("<u2").tofile(folder / "train.bin")
    meta = json.loads((folder / "meta.json").read_text())
    meta["splits"]["train"]["tokens"] = TOKENS
    meta["files"] = {name: {"bytes": (folder / name).stat().st_size, "sha256": sha256(folder / name)} for name in FILES}
    (folder / "meta.json").write_text(json.dumps(meta | {"digest": digest_of(meta)}))
    return folder


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = corpus(Path(folder) / "corpus")
        for length, rows in SHAPES:
            source, options = "import numpy as np\n" + CANDIDATE.replace("ROWS", str(rows)), {"budget": "2s", "eval_tokens": length}
            run = rig.Measured(Path(folder) / f"{length}-{rows}", source, made, sequence_length=length, **options)
            said = run.said("WAIT") if "WAIT:" in run.log else run["reason"]
            speed = run["tokens"] / run["train_wall_seconds"] / 1e6
            print(f"{rows:4} rows of {length}: {speed:6.1f} million tokens/s, wait {said}", flush=True)


if __name__ == "__main__":
    main()
