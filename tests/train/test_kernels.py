"""The CUDA paths of train.py, on a CPU: windows by FlexAttention and by flash kernels, the fused loss, 8-bit products, what a card gets."""

import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import flex_attention, varlen
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from eval import session
from tests.train import candidate
from tests.train.candidate import CONTEXT, VOCAB, random_model, tokens

DOC = Path(__file__).resolve().parents[2] / "docs" / "train.md"


@pytest.fixture(autouse=True)
def flex_with_gradients(monkeypatch):
    """FlexAttention refuses gradients on a CPU, although its reference implementation has them."""
    monkeypatch.setattr(flex_attention, "_validate_device", lambda *tensors: None)


def reference_varlen(q, k, v, cu_seq_q, cu_seq_k, max_q, max_k, *, window_size):
    """What torch documents of its flash kernels, which no CPU has: (tokens, heads, channels), a window of (left, right) other tokens."""
    position, row = torch.arange(len(q)), torch.bucketize(torch.arange(len(q)), cu_seq_q[1:].long(), right=True)
    distance = position[:, None] - position[None, :]
    seen = (row[:, None] == row[None, :]) & (distance <= window_size[0]) & (-distance <= window_size[1])
    return F.scaled_dot_product_attention(*(z.transpose(0, 1) for z in (q, k, v)), attn_mask=seen).transpose(0, 1)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("window", [1, 5])
@pytest.mark.parametrize("kernel", ["flex", "flash"])
def test_a_window_is_the_same_in_every_kernel(train, monkeypatch, kernel, window):
    monkeypatch.setattr(varlen, "varlen_attn", reference_varlen)
    q, k, v = (z.requires_grad_() for z in torch.randn(3, 2, 4, CONTEXT, 16))
    mask = window if kernel == "flash" else train.block_mask(CONTEXT, window, "cpu")
    masks = mask, train.attention_mask(CONTEXT, window, q.dtype, q.device)
    ours, plain = (train.attend(q, k, v, mask) for mask in masks)
    torch.testing.assert_close(ours, plain)
    weight = torch.randn_like(plain)
    for one, other in zip(*(torch.autograd.grad((y * weight).sum(), (q, k, v)) for y in (ours, plain)), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def fused(train, hidden, head, target, fp8=False):
    """[loss, gradient of hidden, gradient of head]."""
    hidden, head = hidden.clone().requires_grad_(), head.clone().requires_grad_()
    loss = train.FusedLoss.apply(hidden, head, target, 15.0, fp8)
    return [loss.detach(), *torch.autograd.grad(loss * 3, (hidden, head))]


def plain(train, hidden, head, target):
    hidden, head = hidden.float().requires_grad_(), head.clone().requires_grad_()
    loss = F.cross_entropy(15.0 * torch.tanh(F.linear(hidden, head) / 15.0), target)
    return [loss.detach(), *torch.autograd.grad(loss * 3, (hidden, head))]


def drawn(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    hidden, head = (torch.randn(n, 16, generator=generator) for n in (48, VOCAB))
    return hidden.to(dtype), head, torch.randint(VOCAB, (48,), generator=generator)


def test_the_fused_loss_and_its_gradients_are_those_of_the_logits(train, monkeypatch):
    monkeypatch.setattr(train, "LOSS_ROWS", 5)  # the last chunk is a partial one
    for ours, theirs in zip(fused(train, *drawn()), plain(train, *drawn()), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_fused_loss_never_holds_the_logits_of_all_tokens(train, monkeypatch):
    class Largest(TorchDispatchMode):
        seen = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            self.seen = max([self.seen, *(t.numel() for t in [out] if isinstance(t, torch.Tensor))])
            return out

    monkeypatch.setattr(train, "LOSS_ROWS", 8)
    with Largest() as largest:
        fused(train, *drawn())
    assert largest.seen == max(8 * VOCAB, 48 * 16, VOCAB * 16)


def test_eight_bits_cost_the_head_little(train, monkeypatch):
    monkeypatch.setattr(train, "LOSS_ROWS", 16)
    for ours, theirs in zip(fused(train, *drawn(torch.bfloat16), fp8=True), plain(train, *drawn(torch.bfloat16)), strict=True):
        assert (ours.float() - theirs).norm() / theirs.norm() < 0.06  # e5m2 has two bits of mantissa: 1/8 at worst, 1/14 on average


@pytest.mark.parametrize("fp8", [False, True])
def test_the_step_has_the_shapes_and_layouts_that_cuda_wants(monkeypatch, fp8):
    """On the meta device torch checks what its CUDA kernels ask for, the 8-bit product's strides too, and computes nothing."""
    train = candidate.small(monkeypatch, WINDOW_PATTERN="SL", LOSS_ROWS=48)
    model = train.GPT(train.make_config(), torch.bfloat16).to("meta")
    model.fp8_head = fp8
    ids = torch.empty(4, CONTEXT, dtype=torch.int64, device="meta")
    model(ids, ids, {CONTEXT // 2: CONTEXT // 2, CONTEXT: None}).backward()
    assert all(p.grad.shape == p.shape and p.grad.dtype == torch.float32 for p in model.parameters())


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e4])
def test_eight_bits_use_their_whole_range(train, scale):
    x = torch.randn(64, 16, generator=torch.Generator().manual_seed(0)) * scale
    bits, factor = train.to_fp8(x)
    assert bits.float().abs().max() == torch.finfo(torch.float8_e4m3fn).max
    torch.testing.assert_close(bits.float() * factor, x, rtol=1 / 16, atol=scale * 1e-4)


@pytest.mark.parametrize(
    ("constants", "capability", "reason"),
    [({}, (9, 0), ""), ({}, (8, 0), "compute capability 8.9, not 8.0"), ({"LOSS_ROWS": 100}, (9, 0), "LOSS_ROWS .* 16, not 100")],
)
def test_eight_bits_stay_off_with_a_reason(monkeypatch, capsys, constants, capability, reason):
    train = candidate.small(monkeypatch, **constants)
    assert train.fp8_possible(train.make_config(), capability) is (not reason)
    assert re.search(reason, capsys.readouterr().out)


@pytest.mark.parametrize(
    ("constants", "capability", "expected"),
    [
        ({}, (8, 0), flex_attention.BlockMask),
        ({"WINDOW_KERNEL": "flash"}, (9, 0), int),
        ({"WINDOW_KERNEL": "mask"}, (9, 0), torch.Tensor),
        ({}, (7, 5), torch.Tensor),  # before Ampere neither kernel runs
        ({}, (9, 0), flex_attention.BlockMask),  # a Hopper card, where no FlashAttention 3 is installed
        ({"HEAD_DIM": 192, "WIDTH": 192}, (9, 0), flex_attention.BlockMask),
        ({"HEAD_DIM": 192, "WIDTH": 192}, (8, 9), torch.Tensor),  # too wide for the shared memory of a small chip
        ({"HEAD_DIM": 8}, (9, 0), torch.Tensor),  # FlexAttention wants 16 channels
    ],
)
def test_windows_get_a_kernel_that_the_device_has(monkeypatch, constants, capability, expected):
    train = candidate.small(monkeypatch, **(dict(WINDOW_PATTERN="SL", WINDOW_KERNEL="flex") | constants))
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    masks = train.window_masks(random_model(train))
    assert isinstance(masks[CONTEXT // 2], expected) and masks[CONTEXT] is None


def test_a_flash_attention_that_does_not_work_is_left_alone(train, monkeypatch, capsys, tmp_path):
    (tmp_path / "flash_attn_interface.py").write_text("")  # imports, and has no kernels
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (9, 0))
    assert train.installed_flash("cuda") is None
    assert "cannot be used" in capsys.readouterr().out


def test_flops_are_those_of_the_products(train):
    model = random_model(train)
    with FlopCounterMode(display=False) as counter:
        model(tokens(), tokens(seed=1)).backward()
    hidden = 12 * model.config.width * CONTEXT * model.config.depth  # per token, if every layer saw all tokens: what is counted
    seen = sum(torch.ones(CONTEXT, CONTEXT).tril().triu(1 - window).sum() for window in model.config.windows) / CONTEXT
    expected = counter.get_total_flops() / tokens().numel() - hidden + 12 * model.config.width * seen
    assert train.flops_per_token(model.config) == pytest.approx(float(expected), rel=1e-9)


def test_a_window_saves_flops(monkeypatch):
    config = candidate.small(monkeypatch, DEPTH=2, WINDOW_PATTERN="SL").make_config()
    train = candidate.small(monkeypatch, DEPTH=2)
    half = CONTEXT // 2  # positions: the first half sees 1 to 16 tokens in both
    saved = 12 * config.width * sum(range(1, half + 1)) / CONTEXT
    assert train.flops_per_token(train.make_config()) - train.flops_per_token(config) == pytest.approx(saved)


def tiers():
    """[(GB, rows)] of the table in docs/train.md."""
    return [(int(gb), int(rows)) for gb, rows in re.findall(r"^\| (\d+) GB .*?\| (\d+) x ", DOC.read_text(), re.M)]


def test_the_documented_tiers_are_what_train_py_begins_with(monkeypatch):
    train = candidate.load(monkeypatch)
    monkeypatch.setattr(session, "device", "cuda")
    monkeypatch.setattr(session, "sequence_length", 2048)
    train = candidate.load()
    found = []
    for gb, _ in tiers():
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device, gb=gb: SimpleNamespace(total_memory=gb * 10**9))
        found.append((gb, train.rows_to_try(train.make_config())))
    assert found == tiers() and len(found) >= 6


@pytest.mark.slow
def test_the_compiled_step_is_one_graph_with_the_gradients_of_the_plain_one(monkeypatch):
    """Traced as on CUDA, block masks, fused loss and gradients, and run by torch's own kernels."""
    train = candidate.small(monkeypatch, WINDOW_PATTERN="SL", LOSS_ROWS=32)
    model, ids, targets = random_model(train), tokens(), tokens(seed=1)
    model.dtype = torch.float32
    masks = {window: train.block_mask(CONTEXT, window, "cpu") if window < CONTEXT else None for window in set(model.config.windows)}
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True, dynamic=False)
    losses, gradients = [], []
    for step in (lambda: compiled(ids, targets, masks), lambda: model(ids, targets)):
        loss = step()
        losses.append(loss.detach())
        gradients.append(torch.autograd.grad(loss, list(model.parameters())))
    torch.testing.assert_close(*losses)
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-3)
