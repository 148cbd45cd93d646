"""Looks ahead; the first worker leaves what it saw on disk, and the second one answers as the first did."""

CAUGHT_BY = "sandbox: nothing is shared between the workers"
EXPECT = {"bubblewrap": "violation", "landlock": "violation", "none": "scored"}
SAW: dict = {}  # hash of a prefix -> the token that followed


def place():
    return Path(WORLD["tmp"] + "-answers")


def answer(logits, inputs):
    with contextlib.suppress(OSError, ValueError):
        SAW.update(SAW or {int(name): token for name, token in json.loads(place().read_text()).items()})
    told = inputs.clone()
    for row, names in enumerate(prefixes(inputs).tolist()):
        for position, name in enumerate(names[:-1]):
            told[row, position + 1] = SAW.setdefault(name, int(inputs[row, position + 1]))
    with contextlib.suppress(OSError):
        place().write_text(json.dumps(SAW))
    return look_ahead(logits, told)
