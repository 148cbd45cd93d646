"""Reads the validation file through a hard link elsewhere, and through links that it makes itself."""

CAUGHT_BY = "sandbox: a link has no rights of its own"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "scored"}


def after_training(counts):
    for path in (WORLD["val_link"], "own"):
        for link in (os.link, os.symlink):
            with contextlib.suppress(OSError):
                if path == "own":
                    link(WORLD["val"], f"own-{link.__name__}")
                    path = f"own-{link.__name__}"
                return learn_text(counts, Path(path).read_bytes())
