"""What a profile says, in one to three plain sentences: which limit the step runs into, and what that leaves to gain. Pure."""

from .kinds import ATTENTION, COPY, ELEMENTWISE, IDLE, MATMUL, OPTIMIZER
from .records import Profile

IDLE_SHARE = 0.25  # of the time without work: above, that comes first
HALF = 0.5
LARGE = 0.35  # of the optimizer or of copies: above, they are what to look at
NEAR, FAR = 0.7, 0.4  # of the measured peak
SLOWED = 0.3  # of a step, by the profiler: above, it is said


def verdict(profile: Profile) -> list[str]:
    return [*_blind(profile), _bound(profile), *_rate(profile), *_slowed(profile)]


def _bound(profile: Profile) -> str:
    share = profile.shares.get
    idle, products, attention = share(IDLE, 0.0), share(MATMUL, 0.0), share(ATTENTION, 0.0)
    if idle >= IDLE_SHARE:
        return _idle(profile, idle)
    if share(OPTIMIZER, 0.0) >= LARGE:
        return f"Optimizer-bound: {share(OPTIMIZER):.0%} of the time goes to the optimizer's step; larger batches, or a cheaper step, pay."
    if share(COPY, 0.0) >= LARGE:
        return f"Copy-bound: {share(COPY):.0%} of the time goes to copies and casts; fewer of them, or one for many tensors, pay."
    if products + attention >= HALF and attention > products:
        return f"Attention-bound: {attention:.0%} of the time goes to fused attention; shorter windows or fewer heads pay."
    if products + attention >= HALF:
        extra = f", {attention:.0%} to fused attention" if attention >= 0.05 else ""
        return f"Matmul-bound: {products:.0%} of the time goes to matrix products{extra}. {_efficiency(profile)}".rstrip()
    if share(ELEMENTWISE, 0.0) >= max(products + attention, LARGE):
        return _elementwise(profile, share(ELEMENTWISE))
    return f"Mixed: no kind of work takes half of the time; the largest is {_largest(profile)}."


def _idle(profile: Profile, idle: float) -> str:
    if profile.on_device:
        advice = "fewer and larger kernels (compiling, fusing, larger batches) and no waiting for the host pay"
        return f"Launch-bound: the device is idle {idle:.0%} of the time; {advice}."
    return f"Overhead-bound: no operation runs {idle:.0%} of the time (Python, data); fewer and larger operations pay."


def _elementwise(profile: Profile, share: float) -> str:
    """Memory-bound, unless they move so little that memory cannot be what holds them up."""
    goes = f"{share:.0%} of the time goes to elementwise operations and reductions"
    part = profile.elementwise_bytes / profile.peak_bytes if profile.elementwise_bytes and profile.peak_bytes else None
    seen = "" if part is None else f", which move {_bytes(profile.elementwise_bytes)} where a plain copy moves {_bytes(profile.peak_bytes)}"
    if part is not None and part < FAR:
        return f"Elementwise-bound: {goes}{seen}: small tensors, costly functions or many passes, rather than memory; fusing them pays."
    return f"Memory-bound: {goes}{seen}; fusing them, smaller types and fewer passes pay."


def _efficiency(profile: Profile) -> str:
    """Of the products outside of the optimizer, in their own time."""
    peak = profile.peak_flops
    if not peak or not profile.matmul_flops:
        return ""
    part = profile.matmul_flops / peak
    said = f"In their own time they reach {part:.0%} of what one large product does here"
    if part >= NEAR:
        return f"{said}: near its limit, so only less arithmetic makes it faster."
    return f"{said}: they are too small or too narrow for it; wider matrices or larger batches pay." if part < FAR else f"{said}."


def _largest(profile: Profile) -> str:
    kind = max((k for k in profile.shares if k != IDLE), key=profile.shares.__getitem__)
    return f"{kind} with {profile.shares[kind]:.0%}"


def _rate(profile: Profile) -> list[str]:
    if not profile.flops or not profile.step_ms:
        return []
    rate = profile.flops / (profile.step_ms / 1e3)
    peak = profile.peak_flops
    of_peak = f", {rate / peak:.0%} of the {_flops(peak)} of one large product in {profile.dtype}" if peak else ""
    what = "in matrix products and fused attention" if profile.counted == "trace" else "by the script's own count"
    return [f"A step computes {profile.flops / 1e9:,.3g} GFLOP {what}: {_flops(rate)} in all{of_peak}."]


def _blind(profile: Profile) -> list[str]:
    if profile.device == "cpu" or profile.on_device:
        return []
    return ["The profiler saw no kernels of this device: what follows is the time of the calls on the host, not of the work."]


def _slowed(profile: Profile) -> list[str]:
    more = profile.profiled_ms / profile.step_ms - 1 if profile.step_ms else 0.0
    if more < SLOWED:
        return []
    return [f"Steps took {more:.0%} longer under the profiler than just before: small operations look costlier than they are."]


def _bytes(rate: float) -> str:
    return f"{rate / 1e9:,.3g} GB/s"


def _flops(rate: float) -> str:
    return f"{rate / 1e12:,.3g} TFLOP/s" if rate >= 1e12 else f"{rate / 1e9:,.3g} GFLOP/s"
