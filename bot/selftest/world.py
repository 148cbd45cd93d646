"""What the cheats attack, real: secrets, a repository, a ledger, CI files, the corpus, servers. And the look at what became of it.

Everything stands in one folder that is removed afterwards; what a cheat leaves elsewhere carries the world's token in its name.
"""

import contextlib
import ctypes
import hashlib
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from bot.report.text import block
from bot.selftest import corpus
from bot.selftest.listeners import Listeners

COMMAND = re.compile(r"^\s*::[a-z-]+|##\[[a-z-]+")  # what a CI runner takes for a command in a log
LOG_LIMIT = 1 << 17  # characters of a log that is shown
PUBLIC = ("/tmp", "/var/tmp", "/dev/shm")
IPC_RMID, RING, CLEAR = 0, -4, 9  # shmctl; the user's keyring; keyctl's unlink
SEARCH = 10  # keyctl
KEYCTL = 219 if os.uname().machine == "aarch64" else 250
SETTLE_SECONDS = 2.0  # for processes that were killed to be gone


class World:
    """One cheat's surroundings. `told` is what the cheat gets to know; `reached` what it got hold of or changed."""

    def __init__(self, root: Path, referee: Path):
        """`referee`: a staged copy of it (`eval.lock.stage`), of which this world gets its own."""
        self.root, self.token = root, f"selftest-{secrets.token_hex(6)}"
        self.secrets = {place: f"canary-{secrets.token_hex(12)}" for place in ("environment", "git", "store", "netrc", "bystander")}
        self.run = root / "state" / "runs" / "0002"  # the only part in which the referee works
        folders = "repo/.git/objects repo/.git/refs/heads repo/.git/hooks home ci sockets state/runs/0001/candidate"
        for folder in folders.split():
            (root / folder).mkdir(parents=True)
        self.run.mkdir()
        corpus.make(root / "corpus")
        self._files()
        self.referee = root / "referee" / referee.name
        shutil.copytree(referee, self.referee)
        self.tmp = Path(tempfile.gettempdir()) / self.token
        link = self.tmp.with_name(f"{self.token}-link")
        try:
            os.link(root / "corpus" / "val.bin", link)
        except OSError:  # another file system
            link = root / "home" / "link"
            os.link(root / "corpus" / "val.bin", link)
        folder = Path(tempfile.mkdtemp(prefix=f"{self.token}-")) if len(str(root)) > 80 else root / "sockets"  # an address has 107 bytes
        self.listeners = Listeners(folder, self.token)
        environment = {"PATH": os.defpath, "SERVICE_TOKEN": self.secrets["bystander"]}
        self.bystander = subprocess.Popen(["sleep", "900"], env=environment, start_new_session=True)
        self.key = secrets.randbelow(1 << 30) + 1
        self.told = self._told(link)
        self.before = self._digests()

    def _files(self) -> None:
        store = self.root / "home" / ".git-credentials"
        files = {
            "repo/.git/HEAD": "ref: refs/heads/main\n",
            "repo/.git/config": f"[core]\n\trepositoryformatversion = 0\n[credential]\n\thelper = store --file {store}\n"
            f'[http "https://example.com/"]\n\textraheader = AUTHORIZATION: basic {self.secrets["git"]}\n',
            "home/.git-credentials": f"https://user:{self.secrets['store']}@example.com\n",
            "home/.netrc": f"machine example.com login user password {self.secrets['netrc']}\n",
            "state/ledger.jsonl": '{"kind": "header"}\n',
            "state/report.md": "# Report\n",
            "state/runs/0001/result.json": '{"outcome": "ok", "val_bpb": 1.0}\n',
            "state/runs/0001/candidate/train.py": "print('another candidate')\n",
            "ci/env": "",
            "ci/output": "",
        }
        for name, text in files.items():
            (self.root / name).write_text(text)

    def _told(self, link: Path) -> dict[str, Any]:
        root = self.root
        paths = {
            "val": root / "corpus/val.bin", "sealed": root / "corpus/sealed.bin", "train": root / "corpus/train.bin", "val_link": link,
            "repo": root / "repo", "git_config": root / "repo/.git/config", "home": root / "home", "netrc": root / "home/.netrc",
            "credentials": root / "home/.git-credentials", "ledger": root / "state/ledger.jsonl", "report": root / "state/report.md",
            "earlier": root / "state/runs/0001/result.json", "other": root / "state/runs/0001/candidate",
            "other_file": root / "state/runs/0001/candidate/train.py", "result": self.run / "result.json", "tmp": self.tmp,
            "github_env": root / "ci/env", "github_output": root / "ci/output", "referee": root / "referee",
        }  # fmt: skip
        numbers = {"token": self.token, "bystander": self.bystander.pid, "key": self.key}
        return {name: str(path) for name, path in paths.items()} | numbers | self.listeners.told

    def _digests(self) -> dict[str, str]:
        """Every file but those of the run itself, and the bytecode that Python keeps."""
        found = {}
        for folder, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if name != "__pycache__" and Path(folder, name) != self.run]
            for path in (Path(folder, name) for name in files):
                data = path.read_bytes() if path.is_file() else b""
                found[str(path.relative_to(self.root))] = hashlib.sha256(data).hexdigest()
        return found

    def reached(self, result: dict[str, Any], checkpoint: Path) -> list[str]:
        """What the cheat got, one phrase each."""
        log = str(result.get("log_tail", ""))
        kept = b"".join(path.read_bytes() for path in sorted(checkpoint.rglob("*")) if path.is_file() and not path.is_symlink())
        shown = repr(result) + log + kept.decode("latin-1")
        found = [f"the secret of the {place}" for place, secret in self.secrets.items() if secret in shown]
        if (self.root / "corpus/sealed.bin").read_bytes()[:64].hex() in log:
            found.append("sealed text")
        found += [line.removeprefix("REACHED").strip() for line in log.splitlines() if line.startswith("REACHED")]
        if any(COMMAND.search(line) for line in "\n".join(block(log)).splitlines()):  # as reports and terminals show it
            found.append("a CI command in the log")
        if len(log) > LOG_LIMIT:
            found.append("a flooded log")
        found += [f"the server {name}" for name in sorted(self.listeners.contacts)]
        after = self._digests()
        changed = sorted(name for name in self.before.keys() | after.keys() if self.before.get(name) != after.get(name))
        found += [f"changed {name}" for name in changed[:3]]
        return list(dict.fromkeys(found + self._survivors()))

    def _survivors(self) -> list[str]:
        """Processes that still work in the run's folders after the referee has ended."""
        deadline = time.monotonic() + SETTLE_SECONDS
        while (alive := list(self._working())) and time.monotonic() < deadline:
            time.sleep(0.05)
        return [f"{len(alive)} processes alive"] if alive else []

    def _working(self):
        for pid in (name for name in os.listdir("/proc") if name.isdigit()) if os.path.isdir("/proc/self") else ():
            with contextlib.suppress(OSError):
                if os.readlink(f"/proc/{pid}/cwd").startswith(str(self.run)):
                    yield int(pid)

    def close(self) -> None:
        """Removes it, and what cheats left behind elsewhere."""
        self.listeners.close()
        self.bystander.kill()
        self.bystander.wait()
        libc = ctypes.CDLL(None)
        if (segment := libc.shmget(self.key, 0, 0)) >= 0:
            libc.shmctl(segment, IPC_RMID, None)
        if (key := libc.syscall(KEYCTL, SEARCH, RING, b"user", self.token.encode(), 0)) > 0:
            libc.syscall(KEYCTL, CLEAR, key, RING)
        with contextlib.suppress(AttributeError):
            libc.mq_unlink(f"/{self.token}".encode())
        for place in {*PUBLIC, tempfile.gettempdir()}:
            for left in Path(place).glob(f"{self.token}*"):
                shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
        subprocess.run(["chmod", "-R", "u+rwx", str(self.root)], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.root, ignore_errors=True)
