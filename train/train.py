"""
The candidate: a small GPT, its optimizer and its training loop in one flat file. Everything here may be changed.

The referee (`eval/`) owns the data, the order of the batches, the seed, the clock and the metric; this file asks
`session` for batches until the budget is spent, leaves a checkpoint and prints no score. Measured with

    python -P -m eval measure --candidate DIR --entry train/train.py --corpus DIR --seed 0 --budget "10s cpu" --out result.json

The model is of the nanochat family: rotary positions, QK norm, ReLU^2 MLP, parameter-free RMSNorm, value embeddings
with gates, per-layer residual scalars, a softcap on the logits, sliding windows, an untied head; Muon for the
matrices, AdamW for the rest. Reading order: constants, model, optimizers, schedules, checkpoint, training.
"""

import ctypes
import gc
import json
import math
import platform
import sys
from collections import deque
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn as nn
import torch.nn.functional as F
from safetensors.torch import load_file, save_model
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from eval import session

# ----------------------------------------------------------------------------------------------------------------------
# Hyperparameters. `preset` picks one value by device. CUDA: upstream's public configuration for five minutes of an H100. CPU: a shape for
# budgets from ten seconds to minutes (about 250 steps and 1.65 bits per byte of the embedded corpus at `10s cpu`). Rates: upstream's.


def preset(**by_device):
    """The value for the session's device: preset(cpu=4, mps=6, cuda=8)."""
    return by_device[session.device.split(":")[0]]


# model
DEPTH = preset(cpu=4, mps=4, cuda=8)  # layers; on two cores 4 win from about a minute on (1.36 against 2 layers' 1.38), 2 at 10 s
WIDTH = preset(cpu=64, mps=256, cuda=512)  # residual stream, rounded up to a multiple of HEAD_DIM
HEAD_DIM = preset(cpu=64, mps=64, cuda=128)  # channels of one attention head
MLP_RATIO = 4  # hidden channels of the MLP over WIDTH
WINDOW_PATTERN = preset(cpu="L", mps="SSSL", cuda="SSSL")  # per layer, repeated: L = whole context, S = short; the last is always L
SHORT_WINDOW = 0.5  # of the context
VALUE_EMBED_EVERY = 2  # a value embedding on every n-th layer, counted from the last; 0 = none
GATE_CHANNELS = 32  # channels of the residual stream that a value embedding's gate reads
SOFTCAP = 15.0  # logits are squashed smoothly into (-SOFTCAP, SOFTCAP)
ROTARY_BASE = 10_000  # wavelength of the slowest rotation, in tokens, over 2 pi

# batch
BATCH_TOKENS = preset(cpu=2**11, mps=2**14, cuda=2**19)  # tokens of one optimizer step
DEVICE_BATCH = preset(cpu=32, mps=16, cuda=128)  # sequences of one forward pass, at most; the rest by accumulation
ACTIVATION_BYTES = 48  # fixed: CUDA, per token, layer and channel, an estimate of the rows to begin with; what fits is tried off the clock

# optimizers. Rates of AdamW are for a width of 768 and scale with 1/sqrt(width)
MATRIX_LR = preset(cpu=0.04, mps=0.04, cuda=0.04)  # Muon: all matrices of the blocks
EMBED_LR = preset(cpu=0.6, mps=0.6, cuda=0.6)  # token and value embeddings
HEAD_LR = preset(cpu=0.004, mps=0.004, cuda=0.004)  # the output matrix
SCALAR_LR = preset(cpu=0.5, mps=0.5, cuda=0.5)  # residual scalars; what multiplies x itself gets 1 % of it
GATE_LR = 0.01  # gates of the value embeddings
ADAM_BETA1 = 0.8
ADAM_BETA2 = 0.95
MUON_STEPS = preset(cpu=3, mps=5, cuda=5)  # iterations of the orthogonalization
MUON_BETA2 = 0.95  # memory of the per-neuron second moment (NorMuon)
WEIGHT_DECAY = preset(cpu=0.2, mps=0.2, cuda=0.2)  # matrices only, cautious: never against the update; falls linearly to zero

# schedules, as fractions of the budget
WARMUP = 0.0  # rates rise linearly
WARMDOWN = preset(cpu=0.5, mps=0.5, cuda=0.5)  # rates fall linearly
FINAL_LR = 0.0  # what remains of the rates at the end
MOMENTUM_START = 0.85  # Muon's momentum rises linearly ...
MOMENTUM_END = 0.95
MOMENTUM_RAMP = 0.3  # ... over this fraction

# speed
THREADS = preset(cpu=1, mps=0, cuda=0)  # 0 = torch's choice. On tensors this small a second thread costs 50 % more CPU time per token
PLAIN_ATTENTION = 512  # up to this length batched products and a softmax are faster than the fused kernel (7 against 18 ms at 256)
MUON_ELEMENTS = preset(cpu=2**20, mps=2**40, cuda=2**40)  # fixed: of matrices in one product; a CPU's cache holds them (7 % at width 512)
LOSS_ROWS = preset(cpu=128, mps=128, cuda=2**14)  # tokens whose logits are worked on together
WINDOW_KERNEL = preset(cpu="mask", mps="mask", cuda="flex")  # "flex" = FlexAttention, "flash" = flash kernels, "mask" = a dense mask
FP8_HEAD = preset(cpu=False, mps=False, cuda=False)  # the output matrix's products in 8 bits; Ada, Hopper and later

# initialization
EMBED_STD = 1.0
HEAD_STD = 0.001  # near zero: the first predictions are uniform
X0_INIT = 0.1  # how much of the token's own embedding every layer sees again

# ----------------------------------------------------------------------------------------------------------------------
# Model


@dataclass
class Config:
    """All that `load_model` needs besides the weights; written to config.json as it is."""

    vocab_size: int
    context: int  # longest sequence, tokens
    depth: int
    width: int
    heads: int
    hidden: int  # MLP channels
    windows: list  # per layer: how many tokens a position sees, itself included
    value_layers: list  # layers with a value embedding
    gate_channels: int
    softcap: float
    rotary_base: float


def compute_dtype(device):
    """bfloat16 where the device multiplies it faster than float32, else float32. Master weights are always float32."""
    device = device.split(":")[0]
    if device == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device == "cpu" and platform.system() == "Linux":
        flags = Path("/proc/cpuinfo").read_text()
        return torch.bfloat16 if "avx512_bf16" in flags or "amx_bf16" in flags else torch.float32
    return torch.float32


def rms_norm(x):
    """Every vector along the last dimension to a root mean square of 1. No parameters: the matrices that follow have them."""
    return x * (x.size(-1) ** 0.5 / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp_min(1e-6))


def rotary_tables(length, head_dim, base):
    """cos and sin (length, 1, head_dim), float32: position t turns the k-th pair of channels by t * base^(-2k/head_dim)."""
    inverse = base ** -(torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), inverse)
    cos, sin = angles.cos(), angles.sin()
    return torch.cat((cos, cos), dim=-1)[:, None], torch.cat((sin, -sin), dim=-1)[:, None]


def rotate(x, cos, sin):
    """Turn the pairs (x[k], x[k + D/2]) of x (B, T, H, D) by the angles of cos, sin (T, 1, D)."""
    return torch.addcmul(x * cos, x.roll(x.size(-1) // 2, dims=-1), sin)


def attention_mask(length, window, dtype, device):
    """What `attend` needs so that a position sees the `window` tokens up to itself; None where causality says it all."""
    plain = device.type != "cuda" and length <= PLAIN_ATTENTION
    if window >= length and not plain:
        return None
    t = torch.arange(length, device=device)
    distance = t[:, None] - t[None, :]
    return torch.zeros(length, length, dtype=dtype, device=device).masked_fill_((distance < 0) | (distance >= window), float("-inf"))


def block_mask(length, window, device):
    """FlexAttention's map of the (128, 128) blocks that a causal window touches: all others are never computed."""

    def sees(batch, head, query, key):
        return (query >= key) & (query - key < window)

    return create_block_mask(sees, B=None, H=None, Q_LEN=length, KV_LEN=length, device=device)


def attend(q, k, v, mask):
    """Causal attention. q, k, v and result (B, H, T, D). `mask`: None = the whole past, a tensor (T, T) is added to the scores,
    a block mask is FlexAttention's (fast only when compiled), a number is a window for the flash kernels."""
    batch, heads, length, dim = q.shape
    if mask is None:  # on CUDA torch chooses: cuDNN or flash
        return F.scaled_dot_product_attention(q, k, v, is_causal=True)
    if isinstance(mask, BlockMask):
        return flex_attention(q, k, v, block_mask=mask)
    if isinstance(mask, int):
        from torch.nn.attention.varlen import varlen_attn  # a second of imports that only this path needs

        starts = torch.arange(0, (batch + 1) * length, length, dtype=torch.int32, device=q.device)
        q, k, v = (z.transpose(1, 2).flatten(0, 1) for z in (q, k, v))
        y = varlen_attn(q, k, v, starts, starts, length, length, window_size=(mask - 1, 0))  # the token itself is not counted
        return y.view(batch, length, heads, dim).transpose(1, 2)
    if q.is_cuda or length > PLAIN_ATTENTION:
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    q, k, v = (z.reshape(batch * heads, length, dim) for z in (q, k, v))
    scores = torch.baddbmm(mask, q, k.mT, alpha=dim**-0.5)
    return torch.bmm(scores.softmax(dim=-1), v).view(batch, heads, length, dim)


def softcap(logits, cap):
    """cap * tanh(logits / cap), up to the constant `cap`, which softmax ignores: a sigmoid takes a ninth of tanh's time on a CPU."""
    return 2 * cap * torch.sigmoid(logits * (2 / cap))


class ChunkedLoss(torch.autograd.Function):
    """Mean cross-entropy (nats) of softcap(hidden @ head.T) for eager devices, with both gradients, a few rows at a time.

    The (N, V) logits are the widest tensor of a small model. In chunks that fit a core's cache the five passes over them take
    14 instead of 20 ms at 2,048 x 2,048, and they never exist whole in float32. hidden (N, C), head (V, C), targets (N)."""

    @staticmethod
    def forward(ctx, hidden, head, targets, cap):
        loss = torch.zeros((), device=hidden.device)
        grad = torch.empty(len(hidden), len(head), dtype=hidden.dtype, device=hidden.device)  # of the loss's sum, by the raw logits
        for start in range(0, len(hidden), LOSS_ROWS):
            rows = slice(start, start + LOSS_ROWS)
            target = targets[rows, None]
            gate = F.linear(hidden[rows] * (2 / cap), head).float().sigmoid_()
            p = torch.softmax(gate * (2 * cap), dim=-1)
            loss -= p.gather(1, target).clamp_min_(1e-30).log_().sum()
            p.scatter_add_(1, target, p.new_full((1, 1), -1.0).expand_as(target))
            grad[rows] = torch.ops.aten.sigmoid_backward(p, gate)
        grad *= 4 / len(hidden)  # d softcap / d logit = 4 gate (1 - gate)
        ctx.save_for_backward(grad @ head, grad.mT @ hidden)
        return loss / len(hidden)

    @staticmethod
    def backward(ctx, grad):
        by_hidden, by_head = ctx.saved_tensors
        return by_hidden * grad, by_head * grad, None, None


def to_fp8(x, dtype=torch.float8_e4m3fn, largest=None):
    """(x in 8 bits, float32 scale): x = bits * scale, `largest` (by default the largest found) at the end of the type's range."""
    top = torch.finfo(dtype).max
    largest = x.abs().amax().float().clamp_min(1e-12) if largest is None else torch.full((), largest, device=x.device)
    return (x.float() * (top / largest)).clamp(-top, top).to(dtype), largest / top


def fp8_matmul(a, b, fast=False):
    """a (M, K) @ b (K, N), pairs of `to_fp8`, in bfloat16, `fast` for a short K. The kernel wants a's rows and b's columns contiguous."""
    b8 = b[0].mT.contiguous().mT
    return torch._scaled_mm(a[0].contiguous(), b8, a[1], b[1], out_dtype=torch.bfloat16, use_fast_accum=fast)


class FusedLoss(torch.autograd.Function):
    """ChunkedLoss for compiled devices: each chunk's logits, loss and gradients in one go, so that nothing (N, V) ever exists.

    In bfloat16 alone that would be 4 GB at 2^18 tokens and 8,192 words. hidden (N, C), head (V, C) float32, targets (N)."""

    @staticmethod
    def forward(ctx, hidden, head, targets, cap, fp8):
        weight, words = head.to(hidden.dtype), torch.arange(len(head), device=head.device)
        weight8 = to_fp8(weight) if fp8 else None
        loss, by_head, by_hidden = torch.zeros((), device=head.device), torch.zeros_like(head), []
        for rows, target in zip(hidden.split(LOSS_ROWS), targets.split(LOSS_ROWS), strict=True):
            rows8 = to_fp8(rows) if fp8 else None
            logits = fp8_matmul(rows8, (weight8[0].mT, weight8[1]), fast=True) if fp8 else rows @ weight.mT
            logits = softcap(logits.float(), cap)
            total = logits.logsumexp(dim=-1, keepdim=True)
            loss = loss + (total - logits.gather(1, target[:, None])).sum()
            share = logits / cap
            grad = ((logits - total).exp() - (words == target[:, None]).float()) * share * (2 - share)  # of the sum, by the raw logits
            if fp8:  # |grad| <= 1: no pass over it to find that
                grad8 = to_fp8(grad, torch.float8_e5m2, largest=1.0)
                by_hidden.append(fp8_matmul(grad8, weight8))
                by_head = by_head + fp8_matmul((grad8[0].mT, grad8[1]), rows8).float()
            else:
                grad = grad.to(hidden.dtype)
                by_hidden.append(grad @ weight)
                by_head = by_head + (grad.mT @ rows).float()
        ctx.save_for_backward(torch.cat(by_hidden), by_head)
        return loss / len(hidden)

    @staticmethod
    def backward(ctx, grad):
        by_hidden, by_head = ctx.saved_tensors
        grad = grad / len(by_hidden)
        return by_hidden * grad, by_head * grad, None, None, None


class GPT(nn.Module):
    """Token ids (B, T) -> logits (B, T, V), or with targets the mean loss in nats.

    Matrices of one role live in one bank (layers first): one cast to bfloat16, one gradient and one Muon chain per bank
    instead of one per layer, which on small models is most of the time. `unbind` hands out the layers."""

    def __init__(self, config, dtype):
        super().__init__()
        c = self.config = config
        self.dtype = dtype  # of everything between the embeddings and the loss; parameters stay float32
        self.fp8_head = False
        assert c.width % c.heads == 0 and (c.width // c.heads) % 2 == 0, f"{c.heads} heads of even size do not fit a width of {c.width}"
        self.embed = nn.Parameter(torch.empty(c.vocab_size, c.width))
        self.value_embed = nn.Parameter(torch.empty(c.vocab_size, len(c.value_layers) * c.width))
        self.value_gate = nn.Parameter(torch.empty(len(c.value_layers), c.heads, c.gate_channels))
        self.attention = nn.Parameter(torch.empty(c.depth, 4, c.width, c.width))  # query, key, value, output
        self.mlp_in = nn.Parameter(torch.empty(c.depth, c.hidden, c.width))
        self.mlp_out = nn.Parameter(torch.empty(c.depth, c.width, c.hidden))
        self.residual_scale = nn.Parameter(torch.empty(c.depth))
        self.x0_scale = nn.Parameter(torch.empty(c.depth))
        self.head = nn.Parameter(torch.empty(c.vocab_size, c.width))
        cos, sin = rotary_tables(c.context, c.width // c.heads, c.rotary_base)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)

    @torch.no_grad()
    def init_weights(self):
        """What reads the residual stream starts uniform with std 1/sqrt(width), what writes to it starts at zero."""
        bound = (3 / self.config.width) ** 0.5
        self.embed.normal_(std=EMBED_STD)
        self.value_embed.uniform_(-bound, bound)
        self.value_gate.zero_()  # sigmoid(0) * 2: the gate starts at 1
        self.attention.uniform_(-bound, bound)
        self.attention[:, 3].zero_()
        self.mlp_in.uniform_(-bound, bound)
        self.mlp_out.zero_()
        self.residual_scale.fill_(1.0)
        self.x0_scale.fill_(X0_INIT)
        self.head.normal_(std=HEAD_STD)

    def forward(self, ids, targets=None, masks=None):
        """`masks`: {window: what `attend` takes}, in the compiled training step; without, all is done by what needs no compiler."""
        c, dtype, (batch, length), compiled = self.config, self.dtype, ids.shape, masks is not None
        assert length <= c.context, f"{length} tokens do not fit a context of {c.context}"
        cos, sin = (table[:length].to(dtype) for table in (self.cos, self.sin))
        attention, mlp_in, mlp_out = (bank.to(dtype).unbind(0) for bank in (self.attention, self.mlp_in, self.mlp_out))
        residual_scale, x0_scale = self.residual_scale.unbind(0), self.x0_scale.unbind(0)
        values = F.embedding(ids, self.value_embed).to(dtype).view(batch, length, len(c.value_layers), c.width).unbind(2)
        values = dict(zip(c.value_layers, values, strict=True))
        masks = masks or {window: attention_mask(length, window, dtype, ids.device) for window in set(c.windows)}
        gates = dict(zip(c.value_layers, self.value_gate.to(dtype).unbind(0), strict=True))

        x = x0 = rms_norm(F.embedding(ids, self.embed).to(dtype))
        for layer in range(c.depth):
            x = residual_scale[layer] * x + x0_scale[layer] * x0
            h = rms_norm(x)
            w_qkv, w_out = attention[layer].flatten(0, 1).split((3 * c.width, c.width))
            qk, v = F.linear(h, w_qkv).view(batch, length, 3 * c.heads, -1).split((2 * c.heads, c.heads), dim=2)
            if layer in values:
                gate = 2 * torch.sigmoid(F.linear(h[..., : c.gate_channels], gates[layer]))  # (B, T, H)
                v = v + gate[..., None] * values[layer].view_as(v)
            q, k = rms_norm(rotate(qk, cos, sin)).transpose(1, 2).chunk(2, dim=1)
            y = attend(q, k, v.transpose(1, 2), masks[c.windows[layer]])
            x = x + F.linear(y.transpose(1, 2).flatten(2), w_out)
            x = x + F.linear(F.relu(F.linear(rms_norm(x), mlp_in[layer])).square(), mlp_out[layer])

        x = rms_norm(x)
        if targets is None:
            return softcap(F.linear(x, self.head.to(dtype)).float(), c.softcap)
        if compiled:
            return FusedLoss.apply(x.flatten(0, 1), self.head, targets.flatten(), c.softcap, self.fp8_head)
        return ChunkedLoss.apply(x.flatten(0, 1), self.head.to(dtype), targets.flatten(), c.softcap)


def make_config():
    """The constants above, fitted to the session's vocabulary and context."""
    assert min(DEPTH, WIDTH, HEAD_DIM, MLP_RATIO, SOFTCAP, LOSS_ROWS) > 0, "DEPTH, WIDTH, HEAD_DIM, MLP_RATIO, SOFTCAP, LOSS_ROWS: above 0"
    head_dim = 2 * math.ceil(HEAD_DIM / 2)  # rotary turns pairs
    heads = math.ceil(WIDTH / head_dim)
    width = heads * head_dim
    short = max(1, int(SHORT_WINDOW * session.sequence_length))
    windows = [session.sequence_length if WINDOW_PATTERN[i % len(WINDOW_PATTERN)] == "L" else short for i in range(DEPTH)]
    windows[-1] = session.sequence_length
    value_layers = sorted(range(DEPTH - 1, -1, -VALUE_EMBED_EVERY)) if VALUE_EMBED_EVERY else []
    return Config(
        vocab_size=session.vocab_size, context=session.sequence_length, depth=DEPTH, width=width, heads=heads,
        hidden=round(MLP_RATIO * width), windows=windows, value_layers=value_layers,
        gate_channels=min(GATE_CHANNELS, width), softcap=SOFTCAP, rotary_base=ROTARY_BASE,
    )  # fmt: skip


def flops_per_token(config):
    """Of a forward and a backward pass, per token: 6 for each weight of a matrix, and in attention 12 for each channel of each token seen.

    Embeddings are looked up, not multiplied. What a causal window hides is no work, even where a kernel does it."""
    c = config
    weights = c.depth * (4 * c.width**2 + 2 * c.width * c.hidden) + len(c.value_layers) * c.heads * c.gate_channels + c.vocab_size * c.width
    seen = sum(w * (w + 1) / 2 + (c.context - w) * w for w in c.windows) / c.context  # by the mean token, summed over layers
    return 6 * weights + 12 * c.width * seen


# ----------------------------------------------------------------------------------------------------------------------
# Optimizers

# Polar Express (arXiv 2505.16932): per iteration the odd polynomial a x + b x^3 + c x^5 that brings the singular values
# closest to 1 from the interval the last one left them in; so any prefix of the list is itself a sensible choice.
POLAR_EXPRESS = (
    (8.156554524902461, -22.48329292557795, 15.878769915207462),
    (4.042929935166739, -2.808917465908714, 0.5000178451051316),
    (3.8916678022926607, -2.772484153217685, 0.5060648178503393),
    (3.285753657755655, -2.3681294933425376, 0.46449024233003106),
    (2.3465413258596377, -1.7097828382687081, 0.42323551169305323),
)


def orthogonalize(g, steps, dtype):
    """The nearest matrices with all singular values near 1, for a stack g (..., M, N): U V^T of the singular value decomposition."""
    x = g.to(dtype).flatten(0, -3)
    tall = x.size(-2) > x.size(-1)
    if tall:  # the products below are then of the smaller side
        x = x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) * 1.02 + 1e-6)  # largest singular value below 1, with a margin for rounding
    for i in range(steps):
        a, b, c = POLAR_EXPRESS[min(i, len(POLAR_EXPRESS) - 1)]
        gram = x @ x.mT
        poly = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, poly, x, beta=a)
    return (x.mT if tall else x).view_as(g)


def muon_update(p, g, momentum_buffer, second_moment, lr, momentum, decay, beta2, steps, dtype):
    """One step of Muon, in place, on a bank p (..., M, N) with gradient g.

    Nesterov momentum, then orthogonalization (Jordan et al. 2024), then NorMuon's variance reduction (arXiv 2510.05491):
    each neuron's update is divided by its own running size, the matrix's norm stays. Last, weight decay where it agrees
    with the update in sign (cautious, arXiv 2510.12402)."""
    momentum_buffer.lerp_(g, 1 - momentum)
    update = orthogonalize(g.lerp(momentum_buffer, momentum), steps, dtype).float()
    neurons = -1 if p.size(-2) >= p.size(-1) else -2  # the dimension summed over
    size = update.square().mean(dim=neurons, keepdim=True)
    second_moment.lerp_(size, 1 - beta2)
    scale = second_moment.clamp_min(1e-10).rsqrt()
    norm = size.sum(dim=(-2, -1), keepdim=True).sqrt()
    scaled_norm = (size * scale.square()).sum(dim=(-2, -1), keepdim=True).sqrt()
    update = update * (scale * (norm / scaled_norm.clamp_min(1e-10)))
    lr = lr * max(1.0, p.size(-2) / p.size(-1)) ** 0.5  # output channels that outnumber the inputs need the larger step
    p.sub_(lr * (update + decay * p * (update * p > 0)))


class Muon(torch.optim.Optimizer):
    """Muon over banks: a parameter (..., M, N) is a stack of matrices, each orthogonalized for itself in batched products."""

    def __init__(self, banks, lr, momentum, weight_decay, beta2, steps, dtype, compile=False):
        super().__init__(banks, dict(lr=lr, momentum=momentum, weight_decay=weight_decay))
        self.beta2, self.steps, self.dtype = beta2, steps, dtype
        self.update = torch.compile(muon_update, dynamic=False) if compile else muon_update
        # numbers as tensors: a compiled update must not be compiled again for every value of the schedule
        self.number = torch.tensor if compile else float

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            lr, momentum, decay = (self.number(group[k]) for k in ("lr", "momentum", "weight_decay"))
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["momentum"] = torch.zeros_like(p)
                    reduced = p[..., :1] if p.size(-2) >= p.size(-1) else p[..., :1, :]
                    state["second"] = torch.zeros_like(reduced)
                matrices = max(1, MUON_ELEMENTS // (p.size(-2) * p.size(-1)))
                parts = (t.view(-1, *t.shape[-2:]).split(matrices) for t in (p, p.grad, state["momentum"], state["second"]))
                for part in zip(*parts, strict=True):
                    self.update(*part, lr, momentum, decay, self.beta2, self.steps, self.dtype)


def make_optimizers(model):
    """[Muon, AdamW] over all parameters of a GPT; each group remembers its `base_lr` for the schedule."""
    width = (model.config.width / 768) ** -0.5
    adam = [
        dict(params=[model.embed, model.value_embed], lr=EMBED_LR * width),
        dict(params=[model.head], lr=HEAD_LR * width),
        dict(params=[model.value_gate], lr=GATE_LR),
        dict(params=[model.x0_scale], lr=SCALAR_LR),
        dict(params=[model.residual_scale], lr=SCALAR_LR * 0.01),
    ]
    matrices = [model.attention, model.mlp_in, model.mlp_out]
    assert len(list(model.parameters())) == len(matrices) + sum(len(g["params"]) for g in adam), "a parameter has no optimizer"
    optimizers = [
        Muon(matrices, MATRIX_LR, MOMENTUM_START, WEIGHT_DECAY, MUON_BETA2, MUON_STEPS, model.dtype, compile=model.head.is_cuda),
        torch.optim.AdamW(adam, betas=(ADAM_BETA1, ADAM_BETA2), eps=1e-10, weight_decay=0.0, fused=True),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["base_lr"] = group["lr"]
    return optimizers


def schedule(progress):
    """(factor of all rates, Muon's momentum, weight decay) after this fraction of the budget, 0 to 1."""
    warm = min(1.0, progress / WARMUP) if WARMUP > 0 else 1.0
    down = min(1.0, (1 - progress) / WARMDOWN) if WARMDOWN > 0 else 1.0
    ramp = min(1.0, progress / MOMENTUM_RAMP) if MOMENTUM_RAMP > 0 else 1.0
    momentum = MOMENTUM_START + (MOMENTUM_END - MOMENTUM_START) * ramp
    return warm * (FINAL_LR + (1 - FINAL_LR) * down), momentum, WEIGHT_DECAY * (1 - progress)


def optimizer_step(optimizers, progress):
    """Apply the gradients at this point of the schedule and clear them."""
    rate, momentum, decay = schedule(progress)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * rate
        if isinstance(optimizer, Muon):
            optimizer.param_groups[0].update(momentum=momentum, weight_decay=decay)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


# ----------------------------------------------------------------------------------------------------------------------
# Checkpoint: plain files that the referee's worker reads in a process of its own


def save(model, directory):
    """model.safetensors and config.json into an existing directory."""
    save_model(model, str(directory / "model.safetensors"))
    (directory / "config.json").write_text(json.dumps(asdict(model.config)))


def load_model(directory, device):
    """The trained model, a function from ids (B, T) int64 to logits (B, T, V) float32. Called by the referee for scoring.

    Depends on the two files alone: the constants above may be other ones by then."""
    directory = Path(directory)
    model = GPT(Config(**json.loads((directory / "config.json").read_text())), compute_dtype(device))
    model.load_state_dict(load_file(directory / "model.safetensors"))
    return model.to(device).eval().requires_grad_(False)


# ----------------------------------------------------------------------------------------------------------------------
# Training


class LossReader:
    """Reports the mean loss of every optimizer step, and ends the run when it is not a number.

    On CUDA a loss is read one forward pass late, when its copy has long arrived: the device never waits for Python, and
    Python is never more than one pass ahead, so what is still queued when the budget ends is short."""

    def __init__(self, accumulation, late):
        self.accumulation, self.late = accumulation, late
        self.pending, self.values = deque(), []

    def push(self, loss):
        event = None
        if loss.is_cuda:
            host = torch.empty((), pin_memory=True)
            loss = host.copy_(loss, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
        self.pending.append((loss, event))
        self.drain(self.late)

    def drain(self, leave=0):
        while len(self.pending) > leave:
            loss, event = self.pending.popleft()
            if event is not None:
                event.synchronize()
            self.values.append(loss.item())
            if not math.isfinite(self.values[-1]):
                sys.exit(f"training diverged: the loss is {self.values[-1]} after {session.progress:.0%} of the budget")
            if len(self.values) == self.accumulation:
                session.report(loss=sum(self.values) / self.accumulation)
                self.values.clear()


def rows_to_try(config):
    """Sequences of one forward and backward pass: DEVICE_BATCH, on CUDA halved until the estimate of its memory fits the device."""
    rows, memory = min(DEVICE_BATCH, max(1, BATCH_TOKENS // config.context)), math.inf
    if session.device.startswith("cuda"):
        memory = torch.cuda.get_device_properties(session.device).total_memory
    while rows > 1 and rows * config.context * ACTIVATION_BYTES * config.depth * config.width > memory:
        rows //= 2
    return rows


def installed_flash(device):
    """Puts an installed FlashAttention 4 (Blackwell) or 3 (Hopper) in the place of torch's flash kernels; its name, or None."""
    name = {9: "FA3", 10: "FA4", 11: "FA4"}.get(torch.cuda.get_device_capability(device)[0])
    try:
        if name:
            torch.nn.attention.activate_flash_attention_impl(name)
        return name
    except Exception as error:  # noqa: BLE001  (somebody else's package in a state nobody knows, and torch has kernels of its own)
        if not isinstance(error, ModuleNotFoundError):
            print(f"the installed FlashAttention cannot be used: {error}")
        return None


def window_masks(model):
    """{window: what `attend` takes} for the compiled training step, made once: WINDOW_KERNEL, where the device has it."""
    c, device, channels = model.config, model.head.device, model.config.width // model.config.heads
    capability = torch.cuda.get_device_capability(device)
    widest = 256 if capability in ((8, 0), (9, 0), (10, 0)) else 128  # smaller chips lack the shared memory for it
    kernel = WINDOW_KERNEL if capability >= (8, 0) and 16 <= channels <= widest else "mask"
    if kernel != "mask" and channels <= 128 and channels % 8 == 0 and (name := installed_flash(device)):
        print(f"{name} is installed: windows take it")
        kernel = "flash"
    short = {window for window in c.windows if window < c.context}
    if kernel == "flex":
        masks = {window: block_mask(c.context, window, device) for window in short}
    else:
        masks = {window: window if kernel == "flash" else attention_mask(c.context, window, model.dtype, device) for window in short}
    return {c.context: None} | masks


def fp8_possible(config, capability):
    """Whether FP8_HEAD can be had; says why not."""
    sizes = {"vocabulary": config.vocab_size, "width": config.width, "context": config.context, "LOSS_ROWS": LOSS_ROWS}
    lacking = [f"a {name} that is a multiple of 16, not {size}" for name, size in sizes.items() if size % 16]
    if capability < (8, 9):
        lacking.append(f"compute capability 8.9, not {'.'.join(map(str, capability))}")
    if lacking:
        print(f"FP8_HEAD stays off: it needs {', '.join(lacking)}")
    return not lacking


def training_step(model):
    """(inputs, targets) -> loss. On CUDA compiled, with the fast kernels. Not on a CPU: the compiled preset did 0.98 to 1.06 times the
    tokens per CPU second there, for 6 s of start-up from a warm cache and 18 s from a cold one (torch 2.13)."""
    if not model.head.is_cuda:
        return model
    masks = window_masks(model)
    model.fp8_head = FP8_HEAD and fp8_possible(model.config, torch.cuda.get_device_capability(model.head.device))
    compiled = torch.compile(model, dynamic=False)
    return lambda inputs, targets: compiled(inputs, targets, masks)


def rehearse(model, train_step, largest):
    """Everything a run does, on random tokens while the clock stands: compile, step, save, load. Leaves no trace in the model.

    Returns how many sequences fit one pass: `largest`, or a half, a quarter, ... of it."""
    initial = {name: value.clone() for name, value in model.state_dict().items()}
    optimizers = make_optimizers(model)

    def steps(rows):
        for inputs, targets in session.warmup(rows):
            train_step(inputs, targets).backward()
            optimizer_step(optimizers, progress=0.0)

    rows = session.micro_batch(largest, steps)
    save(model, session.output)
    ids = torch.zeros(1, session.sequence_length, dtype=torch.int64, device=session.device)
    logits = load_model(session.output, session.device)(ids)
    assert logits.shape == (1, session.sequence_length, session.vocab_size), f"load_model returned logits of shape {tuple(logits.shape)}"
    model.load_state_dict(initial)
    return rows


def keep_freed_memory():
    """Let glibc keep what tensors free. By default every large one is fresh from the kernel, zeroed page by page: half the time
    of an elementwise operation on a CPU."""
    if platform.system() == "Linux" and platform.libc_ver()[0] == "glibc":
        libc = ctypes.CDLL(None)
        libc.mallopt(-3, 32 << 20)  # M_MMAP_THRESHOLD, 32 MiB is its maximum
        libc.mallopt(-1, 1 << 30)  # M_TRIM_THRESHOLD


def main():
    device = session.device
    keep_freed_memory()
    if THREADS > 0:
        torch.set_num_threads(THREADS)
    torch.set_float32_matmul_precision("high")  # what stays float32 may use TF32
    model = GPT(make_config(), compute_dtype(device)).to(device)
    model.init_weights()
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, {model.dtype} on {device}")

    train_step = training_step(model)
    batch_size = rehearse(model, train_step, largest=rows_to_try(model.config))
    accumulation = max(1, round(BATCH_TOKENS / (batch_size * session.sequence_length)))
    print(f"{accumulation} x {batch_size} sequences of {session.sequence_length} tokens a step")
    session.flops(flops_per_token(model.config))
    optimizers = make_optimizers(model)
    reader = LossReader(accumulation, late=1 if device.startswith("cuda") else 0)
    gc.collect()
    gc.freeze()  # the collector's pauses are worth several steps of a big run ...
    gc.disable()  # ... and nothing below makes reference cycles

    for micro, (inputs, targets) in enumerate(session.batches(batch_size), start=1):
        loss = train_step(inputs, targets)
        (loss / accumulation).backward()
        reader.push(loss.detach())
        if micro % accumulation == 0:
            optimizer_step(optimizers, session.progress)
    reader.drain()  # gradients of an unfinished step are dropped with the optimizers
    save(model, session.output)


if __name__ == "__main__":
    main()
