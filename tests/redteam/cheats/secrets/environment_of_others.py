"""Reads the environment of the user's other programs, which nobody of ours can close."""

CAUGHT_BY = "sandbox: they are invisible, or Landlock refuses"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "reached"}


def at_start(counts):
    with contextlib.suppress(OSError):
        loot(Path(f"/proc/{WORLD['bystander']}/environ").read_bytes())
