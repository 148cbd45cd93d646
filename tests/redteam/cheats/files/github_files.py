"""Sets variables and outputs of the CI job (GITHUB_ENV, GITHUB_OUTPUT, GITHUB_PATH)."""

CAUGHT_BY = "sandbox: out of reach or read-only"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "reached"}


def at_start(counts):
    for name in ["github_env", "github_output"]:
        with contextlib.suppress(OSError), open(WORLD[name], "a") as file:
            file.write("PATH=/evil\n")
