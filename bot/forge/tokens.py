"""Where a token comes from: one that was given, or a GitHub App's, made anew before it expires. In memory only, in no text."""

from datetime import datetime
from typing import Any, Protocol

from bot.errors import UsageError

from .call import API, Call
from .errors import ForgeError, quoted
from .retry import USUAL, Policy, Retry

EARLY = 300.0  # seconds before its end that a token is renewed: a long push must not outlive it


class Tokens(Protocol):
    def current(self) -> str:
        """A token to use now, for GitHub's API and for git over HTTP."""

    def renew(self) -> bool:
        """After GitHub refused the current one: whether there is a new one now."""

    def login(self) -> str | None:
        """The account that acts; None: ask GitHub."""


class Fixed:
    """A token that was given: GITHUB_TOKEN or a personal one. UsageError when it cannot be one."""

    def __init__(self, token: str):
        self._token = token.strip()
        if not self._token or any(not "!" <= c <= "~" for c in self._token):
            raise UsageError("github-token is empty or holds a space, line break or other character that no token has")

    def current(self) -> str:
        return self._token

    def renew(self) -> bool:
        return False

    def login(self) -> str | None:
        return None

    def __repr__(self) -> str:
        return "Fixed(…)"


class App:
    """Installation tokens of a GitHub App for one repository; each lives an hour. UsageError when id or key cannot be right."""

    def __init__(self, app_id: str, private_key: str, repository: str, base_url: str = API, policy: Policy = USUAL):
        from .http import Http, signer

        self.repository, self._clock = repository, policy.clock
        http = Http(base_url, signer(app_id, private_key), policy.patience)
        self._retry = Retry(http.send, lambda: False, policy)
        self._installation: dict[str, Any] = {}
        self._token, self._until = "", 0.0

    def current(self) -> str:
        if not self._token or self._clock() >= self._until:
            self._make()
        return self._token

    def renew(self) -> bool:
        self._make()
        return True

    def login(self) -> str | None:
        return f"{self._installed()['app_slug']}[bot]"

    def __repr__(self) -> str:
        return f"App({self.repository}, …)"

    def _make(self) -> None:
        path = f"/app/installations/{self._installed()['id']}/access_tokens"
        body = {"repositories": [self.repository.partition("/")[2]]}  # no other repository of the installation
        answer = self._call(Call("POST", path, "make a token of the App", "an installed App", body=body))
        lifetime = datetime.fromisoformat(answer.data["expires_at"]).timestamp() - answer.time  # by GitHub's clock, then ours ticks
        self._token, self._until = answer.data["token"], self._clock() + lifetime - EARLY

    def _installed(self) -> dict[str, Any]:
        if not self._installation:
            path = f"/repos/{self.repository}/installation"
            self._installation = self._call(Call("GET", path, "find the App's installation", "an installed App")).data
        return self._installation

    def _call(self, call: Call) -> Any:
        try:
            return self._retry.run(call)
        except ForgeError as error:
            said = quoted(error.said)
            if error.status == 401:
                text = f"GitHub does not accept the App's signature ({said}): app-id and app-private-key must belong together, "
                raise ForgeError(f"{text}and this machine's clock must be right", "auth", 401, error.said) from None
            if error.status == 404:
                text = f"the GitHub App is not installed on {self.repository} ({said}): install it there (its settings > Install App)"
                raise ForgeError(text, "missing", 404, error.said) from None
            raise
