"""Has another program read the validation file: cat, a shell, a fresh interpreter in a session of its own."""

CAUGHT_BY = "sandbox: it holds for every descendant"
EXPECT = {"bubblewrap": "harmless", "landlock": "harmless", "none": "scored"}


def after_training(counts):
    code = f"import sys; sys.stdout.buffer.write(open({WORLD['val']!r}, 'rb').read())"
    for argv in (["cat", WORLD["val"]], ["sh", "-c", f"cat '{WORLD['val']}'"], [sys.executable, "-I", "-c", code]):
        with contextlib.suppress(OSError):
            done = subprocess.run(argv, capture_output=True, start_new_session=True, check=False)
            if len(done.stdout) > 1000:
                return learn_text(counts, done.stdout)
