"""What this machine is, as far as it changes a measurement. Results with different fingerprints are never compared.

    python -P -m eval machine --device auto
"""

import hashlib
import json
import os
import platform
import sys

from eval import nvidia

# name in the fingerprint -> in nvidia-smi. Settings that last; current clocks and temperatures belong to a run (`eval.neighbours`).
DRIVER = {"driver": "driver_version", "max_sm_mhz": "clocks.max.sm", "power_limit_watts": "power.limit"}


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
    """`complete(torch_facts(device))`: every fact there is. Imports torch. ValueError if `device` is not on this machine."""
    return complete(torch_facts(device))


def torch_facts(device: str = "auto") -> dict:
    """What only the training interpreter knows: device, device_name, memory_gib (of a GPU, else 0), gpu_uuid, torch, cuda, python.
    Imports torch.

    ValueError, one sentence with the fix, if `device` is not on this machine. Also asked inside a sandbox, so no tool is run."""
    import torch

    from eval.session import best_device

    device = best_device() if device == "auto" else device
    if device == "cuda" and not torch.cuda.is_available() or device == "mps" and not torch.backends.mps.is_available():
        fix = {"cuda": ", or install a torch build with CUDA (and check that `nvidia-smi` lists the GPU)"}.get(device, "")
        raise ValueError(f"torch {torch.__version__} sees no {device} device here; set `device: auto`{fix}")
    gpu = torch.cuda.get_device_properties(0) if device == "cuda" else None
    return {
        "device": device,
        "device_name": gpu.name if gpu else cpu_name(),
        "memory_gib": round(gpu.total_memory / 2**30) if gpu else 0,
        "gpu_uuid": f"GPU-{str(gpu.uuid).removeprefix('GPU-')}" if hasattr(gpu, "uuid") else "",
        "torch": torch.__version__,
        "cuda": torch.version.cuda or "",
        "python": platform.python_version(),
    }


def complete(facts: dict) -> dict:
    """`facts` of `torch_facts` and those of the machine, with "fingerprint": 16 hex digits of all but the serial number and the version of
    CUDA, which torch's own says. No torch.

    To be called outside any sandbox, where the driver's tool answers; on a complete description it changes nothing."""
    cuda, gpu = facts["device"] == "cuda", facts.get("gpu_uuid", "")
    full = {name: facts[name] for name in ("device", "device_name", "memory_gib", "torch", "python")}
    full |= {"system": f"{platform.system()} {platform.machine()}", "cpu": cpu_name(), "cores": cores()}
    full |= driver(gpu) if cuda else dict.fromkeys(DRIVER, "")
    digest = hashlib.sha256(json.dumps(full, sort_keys=True).encode()).hexdigest()[:16]
    return {"fingerprint": digest, **full, "gpu_uuid": gpu, "cuda": facts.get("cuda", "")}


def driver(gpu: str = "") -> dict[str, str]:
    """Driver version, highest SM clock (MHz) and power limit (W) of a GPU (uuid or index); each "" where nobody says."""
    rows = nvidia.query(f"--query-gpu={','.join(DRIVER.values())}", gpu or nvidia.visible())
    cells = rows[0] if rows and len(rows[0]) == len(DRIVER) else [""] * len(DRIVER)
    known = {name: cell.removesuffix(".00") for name, cell in zip(DRIVER, cells, strict=True)}
    return known | {"driver": known["driver"] or _driver_version()}


def _driver_version() -> str:
    """NVIDIA's kernel driver version from its /proc file, for containers without nvidia-smi."""
    try:
        with open("/proc/driver/nvidia/version") as file:
            return next((word for word in file.readline().split() if word[0].isdigit()), "")
    except FileNotFoundError:
        return ""


if __name__ == "__main__":
    print(json.dumps(describe(*sys.argv[1:]), indent=1))
