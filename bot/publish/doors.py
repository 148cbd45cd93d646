"""The ways to GitHub that a mode needs: git over the network, the ledger branch, the API. Opened from the action's inputs."""

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bot.action.log import LOG
from bot.errors import UsageError
from bot.forge.api import Forge
from bot.forge.retry import Policy
from bot.forge.tokens import App, Fixed, Tokens
from bot.gitrepo import GitRepo
from bot.publish.ledgerbranch import LedgerBranch
from bot.remote import Remote

if TYPE_CHECKING:
    from bot.action.inputs import Inputs
    from bot.settings import Settings

LONG = 600.0  # seconds that one git process may take
PATIENCE = 900.0  # seconds that publishing waits out a failure of the network or of GitHub


@dataclass
class Doors:
    """`remote` and `forge` share one token, which is renewed where it can be."""

    repo: GitRepo
    remote: Remote
    ledger: LedgerBranch
    forge: Forge


def open_doors(inputs: "Inputs", settings: "Settings", limit: float = LONG, patience: float = PATIENCE) -> Doors:
    """`limit`: seconds for one git process. UsageError names the input that is missing."""
    job, repo = inputs.job, GitRepo(settings.root)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", job.repository):
        raise UsageError("GITHUB_REPOSITORY: not set, so nothing says which repository to publish to; use the action in a workflow")
    policy = Policy(patience, note=LOG.warning)
    tokens = Masked(make_tokens(inputs, policy))
    remote = Remote(repo, f"{job.server_url}/{job.repository}.git", tokens.current, limit)
    forge = Forge(job.repository, tokens, job.api_url, policy)
    return Doors(repo, remote, LedgerBranch(repo, settings.name, worker_name()), forge)


class Masked:
    """Tokens of which the job's log shows none: an App's are made here, so that nobody else could hide them."""

    def __init__(self, tokens: Tokens):
        self.tokens, self.hidden = tokens, ""

    def current(self) -> str:
        token = self.tokens.current()
        if token != self.hidden:
            LOG.mask(token)
            self.hidden = token
        return token

    def renew(self) -> bool:
        return self.tokens.renew()

    def login(self) -> str | None:
        return self.tokens.login()


def make_tokens(inputs: "Inputs", policy: Policy) -> Tokens:
    key, token = (secret.get_secret_value() for secret in (inputs.app_private_key, inputs.github_token))
    if key:
        return App(inputs.app_id, key, inputs.job.repository, inputs.job.api_url, policy)
    if not token:
        raise UsageError("github-token: empty; leave it out to take the job's own, or give one that may write contents and pull requests")
    return Fixed(token)


def worker_name(environ: Mapping[str, str] = os.environ) -> str:
    """This machine's part in the name of its ledger file: the runner's name, which is unique in a repository."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", environ.get("RUNNER_NAME") or socket.gethostname()).strip("-._")[:60]
    return name if name and name != "control" else f"runner-{name or 'unnamed'}"
