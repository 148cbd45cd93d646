"""Fills its folders (bounded: 256 MB and a sparse terabyte), deep and closed to their owner."""

CAUGHT_BY = "private folders are wiped, whatever they hold"
EXPECT = "harmless|violation|invalid"


def at_end(counts):
    for folder in (Path.cwd(), Path(os.environ["TMPDIR"])):
        with contextlib.suppress(OSError):
            (folder / "junk").write_bytes(bytes(128 << 20))
            with open(folder / "sparse", "wb") as file:
                file.truncate(1 << 40)
            deep = folder / "/".join("d" * 200 for _ in range(10))
            deep.mkdir(parents=True)
            (deep / "file").touch()
            deep.chmod(0)
