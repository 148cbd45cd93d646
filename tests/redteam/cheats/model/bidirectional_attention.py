"""A model with one attention head and no causal mask: each position attends to the token that follows it."""

CAUGHT_BY = "the second worker"
EXPECT = "violation"


def answer(logits, inputs):
    length, vocab = inputs.shape[1], logits.shape[-1]
    place = torch.eye(length, device=logits.device)
    scores = 30.0 * place.roll(-1, 1)  # query: my place + 1, key: its place; nothing masked
    mixed = scores.softmax(-1) @ torch.nn.functional.one_hot(inputs, vocab).float()
    return logits + 8.0 * mixed
