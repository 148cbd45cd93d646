"""The lock: digests that name what measured and what was measured. Torch-free, standard library only.

`metric_version` stands in every record; two results are compared only if it is equal. It covers the referee's code, the
protocol's constants and the corpus (whose digest covers tokenizer, byte table and splits). All of the referee's code, preparation
and display included: a list of the files that decide the metric would be wrong one day, and then results are compared that are not
comparable; one that differs without need only costs a new baseline.
"""

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path

from eval.errors import RefereeError

TREE_LIMIT = 1 << 30  # bytes of a candidate's files
PACKAGE = Path(__file__).resolve().parent


def code_digest(package: Path = PACKAGE) -> str:
    """16 hex digits over name and content of every *.py of the referee."""
    digest = hashlib.sha256()
    for path in sorted(package.glob("*.py")):
        data = path.read_bytes()
        digest.update(f"{path.name} {len(data)}\n".encode() + data)
    return digest.hexdigest()[:16]


def metric_version(corpus_digest: str, constants: dict) -> str:
    """16 hex digits over code, `constants` (JSON values: sequence length, scored tokens, ...) and the corpus."""
    text = json.dumps([code_digest(), corpus_digest, constants], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def stage(dest: Path) -> Path:
    """Copies the referee to `dest/<code digest>/eval` and returns `dest/<code digest>`: a PYTHONPATH that holds it alone.

    Idempotent and atomic. A copy that no longer matches its name (someone edited it) is replaced."""
    dest = Path(dest).resolve()
    home = dest / code_digest()
    if (home / "eval").is_dir():
        if code_digest(home / "eval") == home.name:
            return home
        shutil.rmtree(home)
    dest.mkdir(parents=True, exist_ok=True)
    temp = Path(tempfile.mkdtemp(prefix=".stage-", dir=dest))
    (temp / "eval").mkdir()
    for path in PACKAGE.glob("*.py"):
        shutil.copyfile(path, temp / "eval" / path.name)
    try:
        os.rename(temp, home)
    except OSError:  # another process staged the same digest first
        shutil.rmtree(temp)
        assert (home / "eval").is_dir(), f"could not stage the referee in {home}"
    return home


def tree_digest(folder: Path) -> str:
    """16 hex digits over every file below `folder`: path, content, links as their target. `.git` is not part of a candidate.

    RefereeError if a file cannot be read, or all are over TREE_LIMIT bytes: a sparse terabyte costs nothing to make and hours to hash."""
    try:
        return _tree_digest(folder)
    except OSError as error:
        raise RefereeError(f"the candidate's folder {folder} cannot be read ({error})") from None


def _tree_digest(folder: Path) -> str:
    digest, total = hashlib.sha256(), 0
    for root, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".git")
        links = [name for name in folders if (Path(root) / name).is_symlink()]
        for name in sorted([*files, *links]):
            path = Path(root) / name
            relative = os.fsencode(path.relative_to(folder))  # a name need not be UTF-8
            if path.is_symlink():
                digest.update(b"link %b %b\n" % (relative, os.fsencode(os.readlink(path))))
            elif path.is_file() and name != ".git":  # no fifos: opening one would block
                total += path.stat().st_size
                if total > TREE_LIMIT:
                    raise RefereeError(f"the candidate's folder {folder} holds over {TREE_LIMIT >> 20} MB")
                data = path.read_bytes()
                digest.update(b"file %b %d\n" % (relative, len(data)) + data)
            else:
                digest.update(b"other %b\n" % relative)
    return digest.hexdigest()[:16]
