"""The model and the optimizers of train.py written the usual way: the yardstick of train_throughput.py and train_quality.py.

One module for each matrix, torch's own functions for everything, logits for all tokens at once, no banks, no chunks. The same weights
give the same loss, and the same gradients the same step (tests/train/test_plain.py). As in train.py, parameters are float32 and
matrices are multiplied in `dtype`. With `stacked` the matrices of one shape take Muon's step together, as upstream's do.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F


class Linear(nn.Linear):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs, bias=False)

    def forward(self, x):
        return F.linear(x, self.weight.to(x.dtype))


def norm(x):
    return F.rms_norm(x, (x.size(-1),))


def rotate(x, cos, sin):
    """x (B, T, H, D); cos and sin (T, 1, D/2)."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos + b * sin, b * cos - a * sin), dim=-1)


class Layer(nn.Module):
    def __init__(self, c, window, has_value):
        super().__init__()
        self.heads, self.window, self.gate_channels = c.heads, window, c.gate_channels
        self.query, self.key, self.value, self.out = (Linear(c.width, c.width) for _ in range(4))
        self.up, self.down = Linear(c.width, c.hidden), Linear(c.hidden, c.width)
        self.gate = Linear(c.gate_channels, c.heads) if has_value else None
        self.value_embed = nn.Embedding(c.vocab_size, c.width) if has_value else None

    def forward(self, x, ids, cos, sin):
        batch, length, width = x.shape
        h = norm(x)
        q, k, v = (matrix(h).view(batch, length, self.heads, -1) for matrix in (self.query, self.key, self.value))
        if self.gate is not None:
            gate = 2 * torch.sigmoid(self.gate(h[..., : self.gate_channels]))
            v = v + gate[..., None] * self.value_embed(ids).to(x.dtype).view_as(v)
        q, k, v = (z.transpose(1, 2) for z in (norm(rotate(q, cos, sin)), norm(rotate(k, cos, sin)), v))
        mask = None
        if self.window < length:
            distance = torch.arange(length, device=x.device)[:, None] - torch.arange(length, device=x.device)[None, :]
            mask = (distance >= 0) & (distance < self.window)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None)
        x = x + self.out(y.transpose(1, 2).reshape(batch, length, width))
        return x + self.down(F.relu(self.up(norm(x))).square())


class PlainGPT(nn.Module):
    """Starts from the weights of `model`, a GPT of train.py."""

    def __init__(self, model):
        super().__init__()
        c, self.dtype, self.softcap = model.config, model.dtype, model.config.softcap
        self.embed, self.head = nn.Embedding(c.vocab_size, c.width), Linear(c.width, c.vocab_size)
        self.layers = nn.ModuleList(Layer(c, c.windows[i], i in c.value_layers) for i in range(c.depth))
        self.residual_scale, self.x0_scale = nn.Parameter(torch.empty(c.depth)), nn.Parameter(torch.empty(c.depth))
        half = c.width // c.heads // 2
        self.register_buffer("cos", model.cos[..., :half].clone())
        self.register_buffer("sin", model.sin[..., :half].clone())
        self.to(model.head.device)
        self.take(model)

    @torch.no_grad()
    def take(self, model):
        """Copies the banks' matrices."""
        for name in ("residual_scale", "x0_scale"):
            getattr(self, name).copy_(getattr(model, name))
        self.embed.weight.copy_(model.embed)
        self.head.weight.copy_(model.head)
        values = iter(zip(model.value_embed.chunk(max(1, len(model.config.value_layers)), dim=1), model.value_gate, strict=False))
        for i, layer in enumerate(self.layers):
            matrices = (layer.query, layer.key, layer.value, layer.out, layer.up, layer.down)
            for matrix, weight in zip(matrices, (*model.attention[i], model.mlp_in[i], model.mlp_out[i]), strict=True):
                matrix.weight.copy_(weight)
            if layer.gate is not None:
                table, gate = next(values)
                layer.value_embed.weight.copy_(table)
                layer.gate.weight.copy_(gate)

    def forward(self, ids, targets=None):
        cos, sin = (table[: ids.size(1)].to(self.dtype) for table in (self.cos, self.sin))
        x = x0 = norm(self.embed(ids).to(self.dtype))
        for i, layer in enumerate(self.layers):
            x = self.residual_scale[i] * x + self.x0_scale[i] * x0
            x = layer(x, ids, cos, sin)
        logits = self.softcap * torch.tanh(self.head(norm(x)).float() / self.softcap)
        return logits if targets is None else F.cross_entropy(logits.flatten(0, 1), targets.flatten())


class PlainMuon(torch.optim.Optimizer):
    """Muon, one matrix after the other, or `stacked`: those of one shape copied into a stack and back, the step compiled."""

    def __init__(self, train, matrices, dtype, stacked):
        shapes = sorted({p.shape for p in matrices})
        groups = [[p for p in matrices if p.shape == shape] for shape in shapes] if stacked else [[p] for p in matrices]
        rates = dict(lr=train.MATRIX_LR, momentum=train.MOMENTUM_START, weight_decay=train.WEIGHT_DECAY)
        super().__init__([dict(params=group) for group in groups], rates)
        self.beta2, self.steps, self.dtype = train.MUON_BETA2, train.MUON_STEPS, dtype
        self.update = torch.compile(train.muon_update, dynamic=False) if stacked else train.muon_update
        self.number = torch.tensor if stacked else float

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            weights, grads = (torch.stack(tensors) for tensors in zip(*((p, p.grad) for p in group["params"]), strict=True))
            state = self.state[group["params"][0]]
            if not state:
                state["momentum"] = torch.zeros_like(weights)
                state["second"] = torch.zeros_like(weights[..., :1] if weights.size(-2) >= weights.size(-1) else weights[..., :1, :])
            numbers = (self.number(group[k]) for k in ("lr", "momentum", "weight_decay"))
            self.update(weights, grads, state["momentum"], state["second"], *numbers, self.beta2, self.steps, self.dtype)
            torch._foreach_copy_(group["params"], list(weights.unbind(0)))


def make_optimizers(train, model, stacked):
    """[Muon, AdamW] with the rates of train.py's `make_optimizers`."""
    width = (model.embed.embedding_dim / 768) ** -0.5
    roles = ("query", "key", "value", "out", "up", "down")
    matrices = [getattr(layer, role).weight for layer in model.layers for role in roles]
    values = [layer for layer in model.layers if layer.gate is not None]
    adam = [
        dict(params=[model.embed.weight, *(layer.value_embed.weight for layer in values)], lr=train.EMBED_LR * width),
        dict(params=[model.head.weight], lr=train.HEAD_LR * width),
        dict(params=[layer.gate.weight for layer in values], lr=train.GATE_LR),
        dict(params=[model.x0_scale], lr=train.SCALAR_LR),
        dict(params=[model.residual_scale], lr=train.SCALAR_LR * 0.01),
    ]
    betas = (train.ADAM_BETA1, train.ADAM_BETA2)
    optimizers = [
        PlainMuon(train, matrices, model.dtype, stacked),
        torch.optim.AdamW([g for g in adam if g["params"]], betas=betas, eps=1e-10, weight_decay=0.0, foreach=False, fused=stacked),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["base_lr"] = group["lr"]
    return optimizers


def optimizer_step(train, optimizers, progress):
    rate, momentum, decay = train.schedule(progress)
    muon, _ = optimizers
    for group in muon.param_groups:
        group.update(momentum=momentum, weight_decay=decay)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * rate
        optimizer.step()
        optimizer.zero_grad()
