"""The champion's bits of each token, stored: what a candidate's gain is laid out against (`eval.probes`, `eval.audit`).

    Reference(val, audit, metric_version).save(path);  Reference.load(path)      # None if there is none, or none that can be read

A file without pickle. It holds no text, but it comes from val: keep it where no sandbox sees it.
"""

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Reference:
    """`val`: float32 (rows, T) bits of each scored token; `audit`: the same of the audit slice, if it was scored."""

    val: np.ndarray
    audit: np.ndarray | None
    metric_version: str

    def save(self, path: Path) -> None:
        """Atomically: whoever sees the file sees all of it."""
        arrays = {"val": self.val.astype(np.float32), "metric_version": np.array(self.metric_version)}
        if self.audit is not None:
            arrays["audit"] = self.audit.astype(np.float32)
        temp = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with open(temp, "wb") as file:
                np.savez(file, **arrays)
            os.replace(temp, path)
        finally:
            temp.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> "Reference | None":
        """None for a file that is missing, foreign or damaged: then probes are less efficient, and there is no gap audit."""
        try:
            with np.load(path, allow_pickle=False) as file:
                found = {name: file[name] for name in file.files if name in ("val", "audit", "metric_version")}
                return cls(_bits(found["val"]), _bits(found["audit"]) if "audit" in found else None, str(found["metric_version"]))
        except (OSError, ValueError, KeyError, EOFError, MemoryError, zipfile.BadZipFile, AttributeError, NotImplementedError):
            return None


def _bits(array: np.ndarray) -> np.ndarray:
    """`array` if it can be bits of tokens; ValueError otherwise."""
    if array.ndim != 2 or array.dtype.kind != "f" or not np.isfinite(array).all():
        raise ValueError("no bits of tokens")
    return array.astype(np.float32)
