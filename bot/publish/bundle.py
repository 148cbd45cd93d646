"""What leaves a machine that may only read the repository: a folder with the code branch and the ledger's files as git bundles, and
results.json. The publishing side trusts none of it: it is unpacked apart from its own repository, and checked before anything is pushed.
"""

import json
import re
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from bot import checks
from bot.errors import AutoresearchError, UsageError
from bot.gitobjects import Objects, borrowing
from bot.gitrepo import PLAIN, GitRepo
from bot.history import History
from bot.publish import restore
from bot.publish.ledgerbranch import BRANCH
from bot.publish.vet import check_branch
from bot.remote_words import short

if TYPE_CHECKING:
    from bot.settings import Settings

SCHEMA = 1
CAP = 200_000_000  # bytes of the whole folder
MEGABYTE = 1_000_000
# megabytes of one file of the ledger; GitHub takes 100
LIMITS = {".jsonl": 95, ".bundle": 50, ".patch": 5, ".md": 5, ".png": 10, ".tsv": 50}
RECEIVED = [("transfer.fsckObjects", "true"), ("fetch.fsckObjects", "true"), ("maintenance.auto", "false"), ("gc.auto", "0"),
            ("core.bigFileThreshold", "50m")]  # fmt: skip
LONG = 600.0  # seconds for unpacking one bundle
CODE, LEDGER, RESULTS = "code.bundle", "ledger.bundle", "results.json"


class Results(msgspec.Struct, forbid_unknown_fields=True):
    """results.json. `head` is `base`, and there is no code.bundle, where nothing is kept. `ledger` is the commit in ledger.bundle."""

    schema: int
    name: str
    branch: str
    base: str
    base_branch: str
    head: str
    ledger: str
    worker: str


@dataclass(frozen=True)
class Received:
    """Checked. `head` and what it builds on are in the repository, at `refs/autoresearch/received/<name>`."""

    results: Results
    files: dict[str, bytes]  # path in the ledger branch -> content
    history: History  # of the worker's events among them


def write(settings: "Settings", repo: GitRepo, history: History, ledger_sha: str, folder: Path, worker: str) -> Path:
    """Fills `folder` with what there is to publish; `ledger_sha` is the ledger branch's tip. Returns the folder."""
    try:
        return _write(settings, repo, history, ledger_sha, folder, worker)
    except OSError as error:
        raise AutoresearchError(f"cannot write {folder}: {error.strerror}; make it writable, or free some space, and run again") from error


def _write(settings: "Settings", repo: GitRepo, history: History, ledger_sha: str, folder: Path, worker: str) -> Path:
    head, base = history.champion_sha, history.base
    base_branch = history.opened.base_branch if history.opened else settings.base
    folder.mkdir(parents=True, exist_ok=True)
    for name in (RESULTS, CODE, LEDGER):  # first what names the others: half a folder is none
        (folder / name).unlink(missing_ok=True)
    with borrowing(repo) as apart:
        ledger = own_files(apart, ledger_sha, settings.name, worker, history.last_at)
        _bundle(apart, folder / LEDGER, BRANCH, ledger)
        if head != base:
            _bundle(apart, folder / CODE, f"refs/heads/{settings.branch}", head, f"^{base}")
    results = Results(SCHEMA, settings.name, settings.branch, base, base_branch, head, ledger, worker)
    (folder / RESULTS).write_text(json.dumps(msgspec.structs.asdict(results), indent=2) + "\n")
    return folder


def own_files(repo: GitRepo, ledger_sha: str, name: str, worker: str, at: float) -> str:
    """A commit without a parent that holds the files of one research that one worker writes."""
    objects, form = Objects(repo), shape(name, worker)
    ids = {path: entry.id for path, entry in objects.entries(ledger_sha).items() if form.fullmatch(path)}
    return repo.commit_tree(objects.graft(None, ids), None, f"{name}: the record of {worker}\n", at)


def shape(name: str, worker: str) -> re.Pattern[str]:
    """Paths in the ledger branch that a worker writes. Not what humans asked for, and no other worker's events."""
    events = rf"{re.escape(worker)}(-[0-9a-f]{{8}})?\.jsonl|{re.escape(worker)}\.bundle"
    return re.compile(rf"{re.escape(name)}/({events}|patches/\d{{4,9}}(\.[\w.-]+)?\.patch|report\.md|progress\.png|results\.tsv)", re.ASCII)


def read(
    repo: GitRepo, folder: Path, settings: "Settings", known: Iterable[str] = (), cap: int = CAP, base_tip: str | None = None
) -> Received:
    """Checks everything in `folder` and takes it into `repo`, on no branch.

    `known`: commits that the remote's code branch has, human ones perhaps; `base_tip`: where the remote's base branch is. UsageError for a
    folder that is none of ours, AutoresearchError naming the commit and path for what may not be published; `repo` is as before then."""
    results = _results(folder, settings, cap)
    _check_base(repo, results, settings, base_tip)
    with borrowing(repo) as apart:
        if results.head != results.base:
            _unpack(apart, folder / CODE, f"refs/heads/{settings.branch}", results.head, "refs/received/code")
            check_branch(apart, settings, results.base, results.head, known)
        _unpack(apart, folder / LEDGER, BRANCH, results.ledger, "refs/received/ledger")
        files = _ledger_files(apart, results)
        history = _history(results, files)
        if results.head != results.base:
            into = f"+refs/received/code:refs/autoresearch/received/{settings.name}"
            _git(repo, RESULTS, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", str(apart.root), into)
    return Received(results, files, history)


def _results(folder: Path, settings: "Settings", cap: int) -> Results:
    present = {name: path for name in (RESULTS, CODE, LEDGER) if (path := folder / name).is_file() and not path.is_symlink()}
    if RESULTS not in present:
        raise UsageError(f"publication: {folder} has no {RESULTS}; give the publish job the folder that the run job wrote")
    if (size := sum(path.stat().st_size for path in present.values())) > cap:
        raise AutoresearchError(f"{folder} has {size / MEGABYTE:.0f} MB; more than {cap / MEGABYTE:.0f} MB are not published")
    try:
        found = msgspec.json.decode(present[RESULTS].read_bytes(), type=Results)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AutoresearchError(f"{RESULTS} is not what this version reads ({error}); run both jobs with the same version") from error
    for field, want in {"schema": SCHEMA, "name": settings.name, "branch": settings.branch}.items():
        if (value := getattr(found, field)) != want:
            raise AutoresearchError(f"{RESULTS}: {field} is {value!r}, not {want!r}; use the same version and configuration in both jobs")
    for field in ("base", "head", "ledger"):
        if not re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", getattr(found, field)):
            raise AutoresearchError(f"{RESULTS}: {field} is not the full id of a commit")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", found.worker) or found.worker == "control":
        raise AutoresearchError(f"{RESULTS}: {found.worker!r} cannot be a worker's name")
    try:
        checks.revision(found.base_branch)
    except ValueError as error:
        raise AutoresearchError(f"{RESULTS}: base_branch: {error}") from error
    missing = {LEDGER, *([CODE] if found.head != found.base else [])} - present.keys()
    if missing:
        raise AutoresearchError(f"{folder} has no {', '.join(sorted(missing))}, which {RESULTS} speaks of; run the run job again")
    return found


def base_name(repo: GitRepo, settings: "Settings") -> str:
    """What the publishing side itself takes for the base: configured, or checked out; empty where HEAD is detached."""
    return settings.base if settings.base != "HEAD" else repo.head()[1]


def _check_base(repo: GitRepo, results: Results, settings: "Settings", base_tip: str | None) -> None:
    """The base must be part of what the publishing side itself has checked out or configured, not of somebody's branch."""
    base, named = results.base[:12], base_name(repo, settings)
    if named and results.base_branch != named:
        raise AutoresearchError(f"the research is based on {results.base_branch}, not on {named}; check out the same branch in both jobs")
    names = ("HEAD", settings.base, f"refs/remotes/origin/{settings.base}", base_tip or "")
    trusted = [sha for name in filter(None, names) if (sha := repo.resolve(name))]
    if not repo.resolve(results.base):
        raise AutoresearchError(f"commit {base}, where the research began, is not in this repository; check out with `fetch-depth: 0`")
    if not any(repo.ancestor(results.base, sha) for sha in trusted):
        raise AutoresearchError(f"commit {base}, where the research began, is not part of the base branch; nothing was pushed")


def _bundle(apart: GitRepo, file: Path, ref: str, sha: str, *without: str) -> None:
    apart._git("update-ref", ref, sha)
    temporary = file.with_name(f".{file.name}.tmp").absolute()
    apart._git("bundle", "create", "--quiet", str(temporary), ref, *without)
    temporary.replace(file)


def _unpack(apart: GitRepo, file: Path, ref: str, sha: str, into: str) -> None:
    """One bundle into the repository apart, where it holds exactly `ref` at `sha`, whole and well formed.

    `git fetch` would not do: before git 2.46 it takes malformed objects from a bundle."""
    path = str(file.absolute())
    heads = _git(apart, file.name, "bundle", "list-heads", path).splitlines()
    if heads != [f"{sha} {ref}"]:
        raise AutoresearchError(f"{file.name} holds {short(', '.join(heads)) or 'nothing'}, not {ref} at {sha[:12]}; nothing was pushed")
    _git(apart, file.name, "bundle", "verify", "--quiet", path)
    pack = file.read_bytes().partition(b"\n\n")[2]  # what follows the header
    _git(apart, file.name, "index-pack", "--stdin", "--fix-thin", "--strict", stdin=pack)
    _git(apart, file.name, "update-ref", into, sha)


def _git(repo: GitRepo, what: str, *args: str, stdin: bytes = b"") -> str:
    try:
        done = repo._run(*args, stdin=stdin, config=RECEIVED, limit=LONG)
    except subprocess.TimeoutExpired:
        raise AutoresearchError(f"{what} took more than {LONG:.0f} s to unpack; nothing was pushed") from None
    if done.returncode:
        raise AutoresearchError(f"{what} cannot be read: {short(done.stderr.decode(errors='replace'))}; nothing was pushed")
    return done.stdout.decode(errors="replace")


def _ledger_files(apart: GitRepo, results: Results) -> dict[str, bytes]:
    objects, form = Objects(apart), shape(results.name, results.worker)
    if apart._git("rev-list", "--parents", "-1", results.ledger).split()[1:]:
        raise AutoresearchError(f"{LEDGER}: commit {results.ledger[:12]} has a parent; nothing was pushed")
    entries = objects.entries(results.ledger)
    for path, entry in entries.items():
        limit = LIMITS.get(Path(path).suffix, 0) * MEGABYTE
        if not form.fullmatch(path):
            wrong = f"which is no file that the worker {results.worker} writes"
        elif entry.kind != "blob" or entry.mode != PLAIN:
            wrong = f"which is not a plain file (mode {entry.mode})"
        elif entry.size > limit:
            wrong = f"which has {entry.size} bytes; the limit is {limit}"
        else:
            continue
        raise AutoresearchError(f"{LEDGER}: commit {results.ledger[:12]} has {path!r}, {wrong}; nothing was pushed")
    blobs = objects.read(entry.id for entry in entries.values())
    return {path: blobs[entry.id] for path, entry in entries.items()}


def _history(results: Results, files: dict[str, bytes]) -> History:
    """The record that names the very commits that are handed over."""
    for path, data in sorted(files.items()):
        if path.endswith(".jsonl"):
            history = History.fold(restore.events(data), curves=False)
            if (history.base, history.champion_sha) == (results.base, results.head):
                return history
    raise AutoresearchError(f"{LEDGER}: no record of {results.worker} ends with commit {results.head[:12]}; nothing was pushed")
