"""Git over the network: what a repository elsewhere has, fetching from it, and pushing to it with leases.

The token is the environment of the one git process that needs it, as an extra header for this address alone: in no argument list, no
configuration, no remote and no reflog. What the user configured about credentials, hooks and rewritten addresses plays no part.
"""

import base64
import random
import re
import subprocess
import time
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Literal
from urllib.parse import urlsplit

from .errors import AutoresearchError, UsageError
from .gitrepo import GitRepo
from .remote_words import explain

Kind = Literal["auth", "moved", "network", "refused", "other"]
LOOPBACK = ("127.0.0.1", "::1", "localhost")
STALL = 60  # seconds below 1 kB/s after which a transfer counts as cut off
FIRST, LONGEST = 1.0, 60.0  # seconds of waiting before the second try, and at most before any
SAFE = {
    "credential.helper": "", "core.askPass": "", "http.followRedirects": "false",  # a redirect must not carry the token elsewhere
    "http.lowSpeedLimit": "1000", "http.lowSpeedTime": str(STALL), "maintenance.auto": "false", "gc.auto": "0",
    "push.gpgSign": "false", "push.followTags": "false", "push.recurseSubmodules": "no", "fetch.recurseSubmodules": "false",
    "fetch.prune": "false", "fetch.pruneTags": "false",
}  # fmt: skip
NOTHING: Mapping[str, tuple[str, str | None]] = {}
QUIET = {"GIT_TRACE2": "0", "GIT_TRACE2_EVENT": "0", "GIT_TRACE2_PERF": "0"}  # a configured trace would write the header down


class RemoteError(AutoresearchError):
    """What a remote did not do, with the fix. `kind`: auth | moved (someone else was there first) | network | refused (by rule) | other."""

    def __init__(self, text: str, kind: Kind):
        super().__init__(text)
        self.kind = kind


class Remote:
    """`url`: https, file or a path. `token` is asked anew before each process; None for none. `limit`: seconds for one git process.

    Every method takes `patience`: for how many seconds a network failure is tried again. RemoteError says what remains wrong."""

    def __init__(
        self,
        repo: GitRepo,
        url: str,
        token: Callable[[], str] | None = None,
        limit: float = 600.0,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ):
        self.repo, self.url, self.token = repo, checked(url, token is not None), token
        self.limit, self.sleep, self.clock = limit, sleep, clock

    def refs(self, pattern: str, patience: float = 0.0) -> dict[str, str]:
        """ref -> sha of the remote's refs that match, such as `refs/heads/autoresearch/*`; no peeled tags."""
        out = self._git("read", patience, "ls-remote", "--refs", "--", self.url, pattern)
        rows = (line.split("\t", 1) for line in out.splitlines() if "\t" in line)
        return {ref: sha for sha, ref in rows if fnmatchcase(ref, pattern)}

    def fetch(self, refs: Mapping[str, str], patience: float = 0.0) -> None:
        """Makes each local ref (the values) what the remote ref (its key) is, wherever it was. The remote refs must exist."""
        pairs = [f"+{theirs}:{ours}" for theirs, ours in refs.items()]
        self._git("read", patience, "fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", self.url, *pairs)

    def push(
        self, sha: str, ref: str, expected: str | None, patience: float = 0.0, beside: Mapping[str, tuple[str, str | None]] = NOTHING
    ) -> None:
        """Points the remote's `ref` to `sha`, only if it is at `expected` (None: only if there is none) or at `sha` already.

        `beside`: ref -> (sha, expected) of what is moved with it, all of them or none."""
        try:
            self._push({ref: (sha, expected), **beside}, patience)
        except RemoteError as error:  # git itself repeats a request whose answer was lost, and then finds its own doing
            if error.kind != "moved" or self.refs(ref, patience).get(ref) != sha:
                raise

    def delete(self, ref: str, expected: str, patience: float = 0.0) -> None:
        """Deletes the remote's `ref`, only if it is at `expected`. One that is gone already is fine."""
        try:
            self._push({ref: ("", expected)}, patience)
        except RemoteError:
            if self.refs(ref, patience):
                raise

    def _push(self, moves: Mapping[str, tuple[str, str | None]], patience: float) -> None:
        leases = [f"--force-with-lease={ref}:{expected or ''}" for ref, (_, expected) in moves.items()]
        together = ["--atomic"] if len(moves) > 1 else []
        specs = [f"{sha}:{ref}" for ref, (sha, _) in moves.items()]
        self._git("write", patience, "push", "--porcelain", "--no-verify", *together, *leases, "--", self.url, *specs)

    def _git(self, what: Literal["read", "write"], patience: float, *args: str) -> str:
        deadline, wait = self.clock() + patience, FIRST
        while True:
            try:
                return self._once(what, *args)
            except RemoteError as error:
                pause = wait * random.uniform(0.5, 1.0)
                if error.kind != "network" or self.clock() + pause > deadline:
                    raise
            self.sleep(pause)
            wait = min(2 * wait, LONGEST)

    def _once(self, what: Literal["read", "write"], *args: str) -> str:
        token = self.token() if self.token else ""
        secret = base64.b64encode(f"x-access-token:{token}".encode()).decode()
        try:
            done = self.repo._run(*args, config=self._config(secret if token else ""), env=QUIET, limit=self.limit)
        except subprocess.TimeoutExpired:
            raise RemoteError(f"git {args[0]} {self.url} took more than {self.limit:.0f} s and was ended", "network") from None
        if done.returncode == 0:
            return done.stdout.decode(errors="replace")
        said = (done.stdout if args[0] == "push" else b"") + b"\n" + done.stderr
        words = said.decode(errors="replace")
        for hidden in filter(None, (token, secret)):
            words = words.replace(hidden, "***")
        raise RemoteError(*explain(f"git {args[0]} {self.url}", words, what, bool(token)))

    def _config(self, secret: str) -> list[tuple[str, str]]:
        pairs = list(SAFE.items())
        if self.url.startswith(("http:", "https:")):
            # The longest match wins: an address that the user's configuration rewrites stays what it is.
            pairs += [(f"url.{self.url}.insteadOf", self.url), (f"url.{self.url}.pushInsteadOf", self.url)]
            header = f"http.{self.url}.extraHeader"
            pairs.append((header, ""))  # forgets any header that is configured, such as a checkout's: two would be refused
            pairs += [(header, f"Authorization: Basic {secret}")] if secret else []
        return pairs


def checked(url: str, secret: bool) -> str:
    """`url`, if git may be given it. UsageError where it would show a password or carry a token in the clear."""
    if re.match(r"https?:", url):
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise UsageError("the repository's address holds a password, which process lists would show; leave it out and give a token")
        if secret and parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise UsageError(f"{url}: a token would travel unencrypted; use an https address")
    elif "/" not in url or url.startswith("-") or "::" in url:
        raise UsageError(f"{url!r} is not the address of a repository; write https://HOST/OWNER/NAME.git or a path with a slash")
    return url
