"""Chrome traces of a few events, as torch's profiler writes them."""

import gzip
import json

CALL = {"Input Dims": [[64, 32], [32, 16]], "Input type": ["float", "float"]}


def event(name: str, start: float, lasted: float, cat: str = "cpu_op", thread: int = 1, **args) -> dict:
    """Microseconds."""
    return {"ph": "X", "cat": cat, "name": name, "ts": start, "dur": lasted, "tid": thread, "args": args}


def step(start: float, lasted: float, number: int = 1) -> dict:
    return event(f"ProfilerStep#{number}", start, lasted, "user_annotation")


def packed(events: object) -> bytes:
    return gzip.compress(json.dumps({"traceEvents": events}).encode(), mtime=0)


CPU = [
    step(0, 100),
    event("aten::linear", 10, 40),
    event("aten::mm", 15, 30, **CALL),
    event("Optimizer.step#Muon.step", 60, 30, "user_annotation"),
    event("aten::mul", 60, 10, **CALL),
    event("aten::mm", 70, 10, **CALL),
    event("aten::mm", 200, 50, **CALL),  # after the last step
]
CUDA = [
    step(0, 100),
    event("aten::mm", 0, 5, **CALL),
    event("cudaLaunchKernel", 1, 2, "cuda_runtime", correlation=1),
    event("Optimizer.step#AdamW.step", 10, 20, "user_annotation"),
    event("cudaLaunchKernel", 12, 2, "cuda_runtime", correlation=2),
    event("cudaLaunchKernel", 40, 2, "cuda_runtime", correlation=3),
    event("nvjet_tst_128x256", 20, 30, "kernel", 7, correlation=1),
    event("multi_tensor_apply", 40, 20, "kernel", 8, correlation=2),  # ten of them beside the product
    event("triton_poi_fused_mul_0", 60, 10, "kernel", 7, correlation=3),
    event("Memcpy HtoD (Pinned -> Device)", 70, 5, "gpu_memcpy", 7, correlation=9),
]
