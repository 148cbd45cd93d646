"""What the ledger branch need not hold twice: the files of a machine whose whole record another one has gone on from.

Runners whose name is used once would leave a copy of the record every night. Nothing is lost by it: a machine that is still at work
writes all that it holds with its next push, and what it had pushed before is in the record that goes on from it, to the byte.
"""

import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from bot.errors import AutoresearchError
from bot.gitobjects import Entry, Objects, borrowing
from bot.gitrepo import GitRepo
from bot.history import History
from bot.publish.lay import CONTROL
from bot.publish.restore import events

RECORD = re.compile(r"(?P<folder>[^/]+)/(?P<worker>[^/]+)\.jsonl")
FORK = r"-[0-9a-f]{8}"  # what `bot.publish.lay` adds to a name that two machines use


def outgrown(objects: Objects, laid: Mapping[str, bytes], have: Mapping[str, Entry], tree: str) -> list[str]:
    """Paths that may go: of the records among `have` that one of `laid` begins with and is longer than, with their patches and commits as
    far as the heir's are the same. `tree` is `have` with `laid` on top."""
    gone: list[str] = []
    for path, data in laid.items():
        heirs = [(heir, worker) for heir, worker in _heirs(objects, path, data, have) if heir not in laid]
        after = objects.entries(tree) if heirs else {}
        for heir, worker in heirs:
            gone += [heir, *_patches(after, path, worker), *_bundle(objects, after, path, worker, data)]
    return gone


def _heirs(objects: Objects, path: str, data: bytes, have: Mapping[str, Entry]) -> Iterator[tuple[str, str]]:
    """(path, worker) of every record that `data` goes on from, whole lines of it."""
    mine = _record(path)
    for other, entry in have.items() if mine else ():
        theirs = _record(other)
        if not theirs or theirs["folder"] != mine["folder"] or other == path or not 0 < entry.size < len(data):
            continue
        if data[entry.size - 1 : entry.size] == b"\n" and objects.id(data[: entry.size]) == entry.id:
            yield other, theirs["worker"]


def _patches(after: Mapping[str, Entry], path: str, worker: str) -> Iterator[str]:
    """Its patches under its own name, where whoever reads the heir's record finds the same."""
    mine = _record(path)
    form = re.compile(rf"({re.escape(mine['folder'])}/patches/\d+)\.{re.escape(worker)}\.patch")
    for old, entry in after.items():
        if found := form.fullmatch(old):
            ours = after.get(f"{found[1]}.{mine['worker']}.patch") or after.get(f"{found[1]}.patch")
            if ours and ours.id == entry.id:
                yield old


def _bundle(objects: Objects, after: Mapping[str, Entry], path: str, worker: str, data: bytes) -> Iterator[str]:
    """Its commits, where the heir's bundle has all of them that the heir's record names, and no other machine uses the worker's name."""
    mine = _record(path)
    old, new = (f"{mine['folder']}/{name}.bundle" for name in (worker, mine["worker"]))
    shared = any(re.fullmatch(rf"{re.escape(mine['folder'])}/{re.escape(worker)}{FORK}\.jsonl", other) for other in after)
    if old not in after or new not in after or shared:
        return
    contents = objects.read([after[old].id, after[new].id])
    named = History.fold(events(data), curves=False).named
    if _covered(objects.repo, contents[after[old].id], contents[after[new].id], named):
        yield old


def _covered(repo: GitRepo, old: bytes, new: bytes, named: list[str]) -> bool:
    """Whether the bundle `new` has what `old` has of these commits. No, where either cannot be read here."""
    with tempfile.TemporaryDirectory(prefix="autoresearch-") as folder, borrowing(repo) as apart:
        try:
            older, newer = (_taken(apart, Path(folder) / name, data) for name, data in (("old", old), ("new", new)))
            held = {older, *apart._git("rev-parse", f"{older}^@").split()}
            return all(apart.ancestor(sha, newer) for sha in held & set(named))
        except AutoresearchError:
            return False


def _taken(apart: GitRepo, file: Path, data: bytes) -> str:
    """The head of a bundle, with all that it builds on."""
    file.write_bytes(data)
    heads = [line.split(" ", 1) for line in apart._git("bundle", "list-heads", str(file)).splitlines()]
    if len(heads) != 1:
        raise AutoresearchError(f"a bundle of kept commits has {len(heads)} heads")
    apart._git("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", str(file), f"{heads[0][1]}:refs/outgrown/{file.name}")
    return heads[0][0]


def _record(path: str) -> re.Match[str] | None:
    found = RECORD.fullmatch(path)
    return None if not found or f"{found['worker']}.jsonl" == CONTROL else found
