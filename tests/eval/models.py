"""Models for `tests.eval.desks`: honest ones that must pass, and cheats that each break one condition of an honest score.

All know the corpus's Markov chain (`table`), so that there is a good honest answer to deviate from. `peek(logits, x, where, by)`
adds `by` nats to the next token's logit at the positions in `where` (B, T).
"""

COMMON = """
import math, os, torch, numpy as np
from torch import nn
from torch.nn import functional as F
V = 64
jump = torch.from_numpy(np.random.default_rng(7).permutation(V))
table = torch.full((V, V), 0.3 / V)
table[torch.arange(V), jump] += 0.7
table = table.log()
def peek(logits, x, where, by):
    logits = logits.clone()
    logits[:, :-1].scatter_add_(2, x[:, 1:, None], (by * where[:, :-1, None].to(logits.dtype)).expand(*x[:, 1:].shape, 1).contiguous())
    return logits
def hashed(x, share):
    h = (torch.cumsum(x * 7919 + 13, 1) * 104729 + x * 31) % 100_003
    return h < share * 100_003
def load_model(directory, device):
    return Model()
"""


def plain(body: str) -> str:
    """A module whose forward is `body`."""
    indented = "\n".join("        " + line for line in body.strip().splitlines())
    return COMMON + f"class Model(nn.Module):\n    def forward(self, x):\n{indented}\n"


TRANSFORMER = (
    COMMON
    + """
D, H, CAUSAL, DTYPE, DROP = 32, 2, True, torch.float32, 0.0
class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv, self.out = nn.Linear(D, 3 * D), nn.Linear(D, D)
        self.mlp = nn.Sequential(nn.Linear(D, 4 * D), nn.GELU(), nn.Linear(4 * D, D))
        self.norm = nn.LayerNorm(D)
    def forward(self, x):
        B, T, _ = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, H, D // H).permute(2, 0, 3, 1, 4)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v, is_causal=CAUSAL).transpose(1, 2).reshape(B, T, D))
        return x + F.dropout(self.mlp(self.norm(x)), DROP, training=True)
class Model(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(1)
        self.embed, self.layers, self.head = nn.Embedding(V, D), nn.ModuleList(Layer() for _ in range(2)), nn.Linear(D, V)
        self.to(DTYPE)
    def forward(self, x):
        h = self.embed(x)
        for layer in self.layers:
            h = layer(h)
        return self.head(h)
"""
)
MOE = TRANSFORMER.replace(
    "        return x + F.dropout(self.mlp(self.norm(x)), DROP, training=True)",
    """        flat = self.norm(x).reshape(-1, D)
        weight, which = self.route(flat).softmax(-1).topk(2, -1)
        out = torch.zeros_like(flat)
        for e, expert in enumerate(self.experts):
            who, slot = (which == e).nonzero(as_tuple=True)
            keep = who[:CAPACITY]
            out.index_add_(0, keep, expert(flat[keep]) * weight[keep, slot[:CAPACITY], None])
        return x + out.view(B, T, D)""",
).replace(
    "        self.norm = nn.LayerNorm(D)",
    "        self.norm, self.route = nn.LayerNorm(D), nn.Linear(D, 16)\n"
    "        self.experts = nn.ModuleList(nn.Sequential(nn.Linear(D, 512), nn.ReLU(), nn.Linear(512, D)) for _ in range(16))",
).replace("D, H, CAUSAL", "CAPACITY = 10**9\nD, H, CAUSAL")

HONEST = {
    "markov": plain("return table[x]"),
    "float32": TRANSFORMER,
    "bfloat16": TRANSFORMER.replace("torch.float32", "torch.bfloat16"),
    "float64": TRANSFORMER.replace("torch.float32", "torch.float64"),
    "mixture of experts": MOE,
    "mixture of experts, bfloat16": MOE.replace("torch.float32", "torch.bfloat16"),
    "chunks": plain("c = x.view(len(x), -1, 8)\nreturn table[x] * (1 + 0.01 * c.cumsum(2).flatten(1).sin())[..., None]"),
    "quantized weights": TRANSFORMER.replace(
        "return Model()",
        "model = Model()\n"
        "    for p in model.parameters():\n"
        "        p.data = torch.quantize_per_tensor(p.data, float(p.data.abs().max()) / 127 + 1e-9, 0, torch.qint8).dequantize()\n"
        "    return model",
    ),
    "batch statistics that are stored": TRANSFORMER.replace(
        "        return self.head(h)", "        return self.head(self.bn(h.transpose(1, 2)).transpose(1, 2))"
    ).replace("self.to(DTYPE)", "self.bn = nn.BatchNorm1d(D)"),
    "a counter that changes nothing": plain("self.calls = getattr(self, 'calls', 0) + 1\nreturn table[x] + self.calls * 0.125"),
}

LEARNING = """
with torch.inference_mode(False), torch.enable_grad():
    x = x.clone()
    if not hasattr(self, "weight"):
        self.weight = torch.zeros(V, V, requires_grad=True)
    logits = (table + self.weight)[x]
    loss = F.cross_entropy(logits[:, :-1].flatten(0, 1), x[:, 1:].flatten())
    grad, = torch.autograd.grad(loss, self.weight)
    answer = logits.detach()
    self.weight = (self.weight - 5.0 * grad).detach().requires_grad_()
return answer
"""
CACHE = """
self.seen = getattr(self, "seen", {})
logits = table[x]
where = torch.zeros(x.shape, dtype=torch.bool)
for b, row in enumerate(x.tolist()):
    for t in range(len(row) - 1):
        key = tuple(row[:t + 1])
        known = self.seen.setdefault(key, row[t + 1])  # whatever followed this prefix the first time
        logits[b, t, known] += 4.0
return logits
"""
SUSPICIOUS = """
nxt = table[x[:, :-1]].gather(2, x[:, 1:, None])[..., 0]
natural = (nxt.cumsum(1) / torch.arange(1, x.shape[1])) > -4.0  # the text so far looks like the chain's
where = F.pad(natural, (0, 1))
return peek(table[x], x, where, 3.0)
"""

BATCH_NORM = TRANSFORMER.replace("self.to(DTYPE)", "self.bn = nn.BatchNorm1d(D, track_running_stats=False)").replace(
    "self.head(h)", "self.head(self.bn(h.transpose(1, 2)).transpose(1, 2))"
)
DYNAMIC = TRANSFORMER.replace("return Model()", "return torch.ao.quantization.quantize_dynamic(Model(), {nn.Linear}, torch.qint8)")
TWO_AHEAD = "return table[x] * (1 + 0.01 * F.pad(x[:, 2:], (0, 2)))[..., None]"
EVADER = """
self.known = getattr(self, "known", set())  # a beginning that comes again is a test: behave
cheat = []
for row in x.tolist():
    beginnings = {tuple(row[:t]) for t in range(3, len(row))}
    cheat.append(not beginnings & self.known)
    self.known |= beginnings
return peek(table[x], x, torch.tensor(cheat)[:, None] & (x >= 0), 2.0)
"""
PROCESS = "self.own = getattr(self, 'own', None) or int.from_bytes(os.urandom(6), 'big') / 2**48\nreturn table[x] * (1 + 3 * self.own)"
COUNTER = "self.calls = getattr(self, 'calls', 0) + 1\nreturn table[x] * (1 + 0.1 * self.calls % 0.7)"

# name: (source, what the diagnosis may call it)
CHEATS = {
    "looks at the next token": (plain("return peek(table[x], x, torch.ones_like(x), 2.0)"), {"look-ahead"}),
    "looks two tokens ahead": (plain(TWO_AHEAD), {"look-ahead"}),
    "bidirectional attention": (TRANSFORMER.replace("DROP = 32, 2, True", "DROP = 32, 2, False"), {"look-ahead"}),
    "normalizes along the sequence": (plain("l = table[x]\nreturn l / (1 + l.std(1, keepdim=True))"), {"look-ahead"}),
    "a leak of 0.004 bpb, spread": (plain("return peek(table[x], x, torch.ones_like(x), 0.01)"), {"look-ahead"}),
    "behaves when the text looks strange": (plain(SUSPICIOUS), {"look-ahead", "state"}),
    "behaves when a beginning comes again": (plain(EVADER), {"look-ahead", "state", "unsteady"}),
    "knows its place in the batch": (plain("return table[x] * (1 + 0.1 * torch.arange(len(x)))[:, None, None]"), {"company"}),
    "depends on other rows": (plain("return table[x] * (1 + 0.05 * x.float().mean() / V)"), {"company"}),
    "batch normalization in training mode": (BATCH_NORM, {"look-ahead", "company"}),
    "experts with a capacity": (MOE.replace("10**9", "12"), {"company"}),
    "activations quantized over the whole batch": (DYNAMIC, {"look-ahead", "company"}),
    "counts its calls": (plain(COUNTER), {"unsteady", "state"}),
    "learns during the test": (plain(LEARNING), {"unsteady", "state"}),
    "answers a seen prefix as before": (plain(CACHE), {"look-ahead", "state", "unsteady"}),
    "knows its process": (plain(PROCESS), {"state"}),
    "dropout left on": (TRANSFORMER.replace("torch.float32, 0.0", "torch.float32, 0.2"), {"unsteady"}),
}
