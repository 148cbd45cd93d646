"""Edits of train/train.py as proposers make them: each idea in several wordings. What `bot.similar` is judged by."""

import subprocess
import tempfile
from pathlib import Path

TRAIN = (Path(__file__).parents[2] / "train/train.py").read_text()
PATH = "train/train.py"
MLP = "F.linear(F.relu(F.linear(rms_norm(x), mlp_in[layer])).square(), mlp_out[layer])"
DOWN = "    down = min(1.0, (1 - progress) / WARMDOWN) if WARMDOWN > 0 else 1.0\n"
STEP = '    for optimizer in optimizers:\n        for group in optimizer.param_groups:\n            group["lr"] = group["base_lr"] * rate\n'
START = "        x = x0 = rms_norm(F.embedding(ids, self.embed).to(dtype))\n"
SAVE = "    reader.drain()  # gradients of an unfinished step are dropped with the optimizers\n"
LOOP = "        if micro % accumulation == 0:\n            optimizer_step(optimizers, session.progress)\n"
QK = "            q, k = rms_norm(rotate(qk, cos, sin)).transpose(1, 2).chunk(2, dim=1)\n"
OUT = "            x = x + F.linear(y.transpose(1, 2).flatten(2), w_out)\n"
NESTEROV = "orthogonalize(g.lerp(momentum_buffer, momentum), steps, dtype).float()"
PLAIN = "orthogonalize(momentum_buffer, steps, dtype).float()"
BETA2 = "ADAM_BETA2 = 0.95\n"

Edit = list[tuple[str, str]]  # text of train.py, what stands there instead


def activation(name: str, note: str = "") -> Edit:
    new = MLP.replace("F.relu(F.linear(rms_norm(x), mlp_in[layer])).square()", f"F.{name}(F.linear(rms_norm(x), mlp_in[layer]))")
    return [("            x = x + " + MLP, f"{note}            x = x + {new}")]


def warmdown(line: str, first: str = DOWN) -> Edit:
    return [(DOWN, f"{first}    {line}\n")]


def clipped(name: str, limit: str = "1.0", note: str = "", how: str = "clip_grad_norm_") -> Edit:
    every = '[p for o in optimizers for g in o.param_groups for p in g["params"]]'
    given = f"    {name} = {every}\n" if name else ""
    return [(STEP, f"{note}{given}    torch.nn.utils.{how}({name or every}, {limit})\n{STEP}")]


def averaged(one: str, every: str, since: str = "0.7", note: str = "") -> Edit:
    pairs = f"for {one}, p in zip({every}, model.parameters()):\n"
    late = f"            if session.progress > {since}:{note}\n                {pairs}                    {one}.lerp_(p.detach(), 0.05)\n"
    begin = f"    {every} = [p.detach().clone() for p in model.parameters()]{note}\n    reader = LossReader("
    return [(LOOP, LOOP + late), (SAVE, f"{SAVE}    {pairs}        p.data.copy_({one})\n"), ("    reader = LossReader(", begin)]


def smeared(*lines: str) -> Edit:
    return [(START, START + "".join(f"        {line}\n" for line in lines))]


def skipped(name: str, factor: str = "0.1", note: str = "") -> Edit:
    first = f"            if layer < c.depth // 2:\n                {name}.append(x)\n"
    second = f"            elif {name}:\n                x = x + {factor} * {name}.pop()\n"
    return [(START, f"{START}        {name} = []{note}\n"), (OUT, OUT + first + second)]


def attended(*lines: str) -> Edit:
    return [(OUT, "".join(f"            {line}\n" for line in lines) + OUT)]


def scaled(line: str) -> Edit:
    return [(QK, f"{QK}            {line}\n")]


# idea -> its wordings: as first proposed, and as the same model might propose it again months later
SAME: dict[str, list[Edit]] = {
    "gelu": [activation("gelu"), activation("gelu", "            # smooth at zero\n")],
    "cosine warm-down": [
        warmdown("down = 0.5 * (1 - math.cos(math.pi * down))"),
        warmdown("down = 0.5 * (1 - math.cos(math.pi * down))  # gentle at both ends"),
        warmdown("down = 0.5 * (1 - math.cos(math.pi * linear))", DOWN.replace("down =", "linear =")),
        warmdown("# half a cosine instead of a line\n    down = (1 - math.cos(math.pi * down)) * 0.5"),
    ],
    "clip gradients": [clipped("parameters"), clipped("everything", note="    # against spikes\n"), clipped("")],
    "average the weights": [averaged("slow", "average"), averaged("e", "ema", note="  # of the weights")],
    "smear": [
        smeared("x = x + 0.2 * F.pad(x, (0, 0, 1, -1))"),
        smeared("# every token sees a little of the one before it", "x = x + 0.2 * F.pad(x, (0, 0, 1, -1))"),
        smeared("previous = F.pad(x, (0, 0, 1, -1))", "x = x + 0.2 * previous"),
        [*smeared("x = x + SMEAR * F.pad(x, (0, 0, 1, -1))"), (BETA2, BETA2 + "SMEAR = 0.2  # of the token before\n")],
    ],
    "no nesterov": [[(NESTEROV, PLAIN)], [(NESTEROV, f"{PLAIN}  # plain momentum")]],
    "gate the attention": [
        attended("y = y * torch.sigmoid(F.linear(h[..., : c.heads], gates_out[layer]))[..., None].transpose(1, 2)"),
        attended(
            "open = torch.sigmoid(F.linear(h[..., : c.heads], gates_out[layer]))  # (B, T, H)", "y = y * open[..., None].transpose(1, 2)"
        ),
    ],
    "scale the queries": [scaled("q = q * 1.2"), scaled("q = 1.2 * q  # sharper")],
    "skip connections": [skipped("skips"), skipped("halves", note="  # as in a U-net")],
    "no value embeddings": [
        [("            if layer in values:\n", "            if False:\n")],
        [("            if layer in values:\n", "            if False:  # value embeddings off\n")],
    ],
}  # fmt: skip

# Ideas that look alike to whoever counts words: the same place, another content
OTHERS: dict[str, Edit] = {
    "silu": activation("silu"),
    "relu": [(MLP, MLP.replace(".square()", ""))],
    "cubic relu": [(MLP, MLP.replace(".square()", ".pow(3)"))],
    "square root warm-down": warmdown("down = 1 - math.sqrt(1 - down)"),
    "square warm-down": warmdown("down = down * down"),
    "cosine warm-up": warmdown("warm = 0.5 * (1 - math.cos(math.pi * warm))"),
    "clip gradients at 0.3": clipped("parameters", "0.3"),
    "clip each gradient's values": clipped("parameters", how="clip_grad_value_"),
    "smear less": smeared("x = x + 0.05 * F.pad(x, (0, 0, 1, -1))"),
    "smear two back": smeared("x = x + 0.2 * F.pad(x, (0, 0, 2, -2))"),
    "smear by products": smeared("x = x + 0.2 * x * F.pad(x, (0, 0, 1, -1))"),
    "momentum of nesterov squared": [("g.lerp(momentum_buffer, momentum)", "g.lerp(momentum_buffer, momentum**2)")],
    "scale the keys": scaled("k = k * 1.2"),
    "scale the queries much": scaled("q = q * 2.0"),
    "scale the values": scaled("v = v * 1.2"),
    "gate the attention by the input": attended(
        "y = y * torch.sigmoid(F.linear(x0[..., : c.heads], gates_out[layer]))[..., None].transpose(1, 2)"
    ),
    "average from the start": averaged("slow", "average", since="0.2"),
    "average by products": [(old, new.replace("slow.lerp_", "slow.mul_")) for old, new in averaged("slow", "average")],
    "all skip connections stronger": skipped("skips", "0.5"),
    "value embeddings everywhere": [("            if layer in values:\n", "            if True:\n")],
}


def made(edit: Edit, text: str = TRAIN) -> str:
    for old, new in edit:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def diff(old: str, new: str, path: str = PATH) -> str:
    """As `GitRepo.diff` writes it."""
    with tempfile.TemporaryDirectory() as folder:
        for side, text in (("a", old), ("b", new)):
            (Path(folder) / side / path).parent.mkdir(parents=True)
            (Path(folder) / side / path).write_text(text)
        argv = ["git", "diff", "--no-index", "--no-color", "--full-index", "--src-prefix=", "--dst-prefix=", f"a/{path}", f"b/{path}"]
        return subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False).stdout
