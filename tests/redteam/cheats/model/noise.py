"""Honest but not allowed: noise in the answers, as dropout that was left on."""

CAUGHT_BY = "the second worker draws other noise"
EXPECT = "violation"


def answer(logits, inputs):
    if not hasattr(torch, "noise"):
        torch.noise = torch.Generator().manual_seed(os.getpid() + time.time_ns())
    return logits + 0.1 * torch.randn(logits.shape, generator=torch.noise).to(logits.device)
