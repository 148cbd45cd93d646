"""Replaces torch's loss functions, so that everything looks learned."""

CAUGHT_BY = "the referee computes log-softmax itself"
EXPECT = "harmless"


def patch():
    functional = torch.nn.functional
    for name in ("cross_entropy", "nll_loss", "log_softmax", "softmax"):
        setattr(functional, name, lambda *args, **named: torch.zeros(()))
    torch.log_softmax = torch.softmax = torch.logsumexp = lambda x, *args, **named: torch.zeros_like(x)
    torch.Tensor.log_softmax = torch.Tensor.softmax = torch.log_softmax
    torch.isfinite = lambda x: torch.ones_like(x, dtype=torch.bool)


def at_start(counts):
    patch()


def at_load(directory, model):
    patch()
