"""Reads the tokens that git keeps: .git/config, the credential store, ~/.netrc; and asks git's helper for them."""

CAUGHT_BY = "sandbox: out of reach"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "reached"}
TIER = "fast"


def at_start(counts):
    for name in ("git_config", "credentials", "netrc"):
        with contextlib.suppress(OSError):
            loot(Path(WORLD[name]).read_bytes())
    with contextlib.suppress(OSError):
        ask = ["git", "-C", WORLD["repo"], "credential", "fill"]
        done = subprocess.run(ask, input=b"protocol=https\nhost=example.com\n\n", capture_output=True, check=False, timeout=5)
        loot(done.stdout)
