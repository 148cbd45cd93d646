"""What the NVIDIA driver says, asked through its own tool: no binding is needed in the training interpreter. Torch-free.

    rows = query("--query-gpu=uuid,memory.used", gpu="0")

Everything degrades to "unknown" where the tool is missing: a container without it, another vendor, a Mac.
"""

import os
import shutil
import subprocess

TOOL = "nvidia-smi"
ALL = ""  # instead of one GPU
SECONDS = 30.0  # without the persistence daemon the first call loads the driver, which takes seconds; a lost GPU never answers


def visible() -> str:
    """The GPU that CUDA calls 0 here: the first entry of CUDA_VISIBLE_DEVICES, else `0`. An index, a uuid or a MIG uuid."""
    return os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip() or "0"


def identity() -> str:
    """The uuid of `visible()` where the driver tells, else `visible()` itself."""
    rows = query("--query-gpu=uuid", visible())
    return rows[0][0] if rows and rows[0][0] else visible()


def command(question: str, gpu: str) -> list[str] | None:
    """argv that prints the answer as CSV without header and units; None where there is no tool, or for a MIG slice (it takes none)."""
    tool = shutil.which(TOOL)
    one = ["-i", gpu] if gpu != ALL else []
    return [tool, question, "--format=csv,noheader,nounits", *one] if tool and not gpu.startswith("MIG-") else None


def query(question: str, gpu: str) -> list[list[str]] | None:
    """The cells of the answer, "" for what the driver does not know. None if it gave no answer at all."""
    argv = command(question, gpu)
    if argv is None:
        return None
    try:
        done = subprocess.run(argv, capture_output=True, timeout=SECONDS, stdin=subprocess.DEVNULL, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return parse(done.stdout) if done.returncode == 0 else None


def parse(output: bytes) -> list[list[str]]:
    """CSV as nvidia-smi writes it: cells apart by `, `, never quoted; `[N/A]`, `[Not Supported]`, ... for what is unknown."""
    lines = output.decode("utf-8", "replace").splitlines()
    rows = [[cell.strip() for cell in line.split(",")] for line in lines if line.strip()]
    return [["" if cell.startswith("[") or cell == "N/A" else cell for cell in row] for row in rows]


def number(cell: str) -> float:
    """A cell as a number; NaN for what is unknown."""
    try:
        return float(int(cell, 16)) if cell.startswith("0x") else float(cell)
    except ValueError:
        return float("nan")
