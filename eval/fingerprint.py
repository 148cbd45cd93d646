"""What this machine is, as far as it changes a measurement. Results with different fingerprints are never compared.

    python -P -m eval machine --device auto
"""

import hashlib
import json
import os
import platform
import sys


def cores() -> int:
    """Cores this process may use, which is what torch takes as its number of threads."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def cpu_name() -> str:
    """The CPU's model name; on Linux with the widest vector extension, since virtual machines hide models (`AMD EPYC`)."""
    try:
        with open("/proc/cpuinfo") as file:
            lines = dict(line.split(":", 1) for line in file.read().split("\n\n")[0].splitlines() if ":" in line)
    except FileNotFoundError:
        return platform.processor() or platform.machine()
    fields = {key.strip(): value.strip() for key, value in lines.items()}
    flags = fields.get("flags", fields.get("Features", "")).split()
    wide = next((flag for flag in ("amx_bf16", "avx512_bf16", "avx512f", "avx2", "sve", "asimd") if flag in flags), "")
    return f"{fields.get('model name', platform.machine())} {wide}".strip()


def describe(device: str = "auto") -> dict:
    """{"fingerprint": 16 hex digits of the rest, "device", "device_name", "torch", "python", "cpu", "cores", "driver"}. Imports torch.

    ValueError if `device` is not on this machine."""
    import torch

    from eval.session import best_device

    device = best_device() if device == "auto" else device
    if device == "cuda" and not torch.cuda.is_available() or device == "mps" and not torch.backends.mps.is_available():
        raise ValueError(f"torch {torch.__version__} sees no {device} device here")
    facts = {
        "device": device,
        "device_name": torch.cuda.get_device_name() if device == "cuda" else cpu_name(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": cpu_name(),
        "cores": cores(),
        "driver": _driver() if device == "cuda" else "",
    }
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
    return {"fingerprint": digest, **facts}


def _driver() -> str:
    """NVIDIA's kernel driver version, from its /proc file; empty elsewhere."""
    try:
        with open("/proc/driver/nvidia/version") as file:
            return next((word for word in file.readline().split() if word[0].isdigit()), "")
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    print(json.dumps(describe(*sys.argv[1:]), indent=1))
