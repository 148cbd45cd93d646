"""What an operation or kernel is, by its name, and what it costs, by its shapes. Pure."""

import math
import re
from typing import Any

MATMUL, ATTENTION, ELEMENTWISE, OPTIMIZER, COPY, OTHER, IDLE = "matmul", "attention", "elementwise", "optimizer", "copy", "other", "idle"
KINDS = (MATMUL, ATTENTION, ELEMENTWISE, OPTIMIZER, COPY, OTHER, IDLE)  # of all time, disjoint
LARGEST = 1e18  # FLOPs or bytes of one call; what claims more is no shape

# The first that matches, on the lower-case name
PATTERNS = (
    (ATTENTION, r"scaled_dot_product|flash|fmha|attention|sdpa"),
    (MATMUL, r"gemm|gemv|nvjet|cutlass|cublas|wgmma|splitk|triton_(mm|tem)|winograd|mkldnn\w*(linear|conv)|"
             r"conv(olution|[123]d)|^aten::(mm|bmm|addmm|baddbmm|linear|matmul|addmv|mv|dot|einsum|_scaled_mm|_grouped_mm)(_out)?$"),
    (COPY, r"memcpy|memset|direct_copy|fillfunctor|catarray|copy_kernel|"
           r"^aten::(copy_|_to_copy|to|clone|contiguous|cat|stack|fill_|zero_|pin_memory|_local_scalar_dense|item)$"),
    (OTHER, r"embedding|gather|scatter|index|sort|topk|nonzero|rng|random|normal_|uniform_|bernoulli|multinomial|nccl|"
            r"^aten::(as_strided|\w*view\w*|reshape|select|slice|split\w*|expand|t|transpose|permute|detach|alias|empty\w*|unbind|resize_)$"),
    (ELEMENTWISE, r"^aten::|triton_(poi|red|per|for)|elementwise|reduce|softmax|norm|vectorized|foreach|multi_tensor|loss|cpp_fused"),
)  # fmt: skip
COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in PATTERNS)
BYTES = {
    "float": 4, "double": 8, "c10::bfloat16": 2, "c10::half": 2, "long": 8, "long int": 8, "int": 4, "bool": 1, "signed char": 1,
    "unsigned char": 1, "c10::float8_e4m3fn": 1, "c10::float8_e5m2": 1,
}  # fmt: skip
PLAIN = re.compile(  # a result as large as the largest input
    r"^aten::(add|sub|mul|div|copy_|_softmax|sigmoid|tanh|relu|square|pow|exp|log|sqrt|rsqrt|lerp|addcmul|addcdiv|clamp|where|neg|"
    r"threshold|gelu|silu|roll|masked_fill|sum|mean|linalg_vector_norm|norm)"
)

SDPA = {  # name -> (place of q, place of is_causal)
    "_scaled_dot_product_flash_attention": (0, 4), "_scaled_dot_product_flash_attention_for_cpu": (0, 4),
    "_scaled_dot_product_efficient_attention": (0, 6), "_scaled_dot_product_cudnn_attention": (0, 6),
    "_scaled_dot_product_flash_attention_backward": (1, 11), "_scaled_dot_product_flash_attention_for_cpu_backward": (1, 7),
    "_scaled_dot_product_efficient_attention_backward": (1, 11), "_scaled_dot_product_cudnn_attention_backward": (1, 14),
}  # fmt: skip
FACTORS = {"mm": (0, 1), "bmm": (0, 1), "addmm": (1, 2), "baddbmm": (1, 2), "_scaled_mm": (0, 1)}  # name -> places of the two factors


def kind_of(name: str) -> str:
    lower = name.lower()
    return next((kind for kind, pattern in COMPILED if pattern.search(lower)), OTHER)


def flops(name: str, args: dict[str, Any]) -> float:
    """Floating-point operations of one call of a matrix product or of fused attention (half of it where it is causal); 0 for all else."""
    dims, base = args.get("Input Dims"), name.removeprefix("aten::").removesuffix("_out")
    try:
        if base in FACTORS:
            a, b = (dims[place] for place in FACTORS[base])
            return _sane(2 * math.prod(a) * b[-1])
        if base in SDPA:
            place, causal = SDPA[base]
            q, k = dims[place], dims[place + 1]
            half = 0.5 if args.get("Concrete Inputs", [])[causal : causal + 1] == ["True"] else 1.0
            return _sane(4 * math.prod(q) * k[-2] * half * (2.5 if base.endswith("backward") else 1.0))
        if base.startswith("mkldnn::_linear"):
            return _sane(2 * math.prod(dims[0]) * dims[1][0])
    except (TypeError, IndexError, OverflowError, KeyError):
        pass
    return 0.0


def traffic(name: str, args: dict[str, Any]) -> float:
    """Bytes that one call has to move at least: its inputs, and for plain operations a result as large as the largest. 0 where unknown."""
    compiled = name.startswith("triton_")  # its results are among its arguments
    if not compiled and not PLAIN.match(name):
        return 0.0
    try:
        pairs = zip(args["Input Dims"], args["Input type"], strict=False)
        sizes = [math.prod(dims) * BYTES[kind.lower()] for dims, kind in pairs if dims and kind.lower() in BYTES]
        return _sane(sum(sizes) + (0 if compiled else max(sizes, default=0)))
    except (TypeError, AttributeError, OverflowError, KeyError):
        return 0.0


def shapes(args: dict[str, Any]) -> str:
    """`2048x64 64x256`: the first three tensors that it was called with."""
    dims = args.get("Input Dims")
    found = [d[:6] for d in dims if isinstance(d, list) and d] if isinstance(dims, list) else []
    known = [d for d in found if all(type(n) is int and 0 <= n < 1 << 40 for n in d)]
    return " ".join("x".join(map(str, d)) for d in known[:3])


def _sane(value: float) -> float:
    return float(value) if 0 < value < LARGEST else 0.0
