"""The Hugging Face hub's side of a download: from the name of a file to where its bytes are, and what they must be.

    GET {endpoint}/datasets/{repository}/resolve/{revision}/{file}   -> 302 to a signed address on another host, which expires

with `X-Linked-Size`, `X-Linked-Etag` (the sha256 of a file in LFS or Xet, in quotes) and `X-Repo-Commit` on the first answer, as the
hub's own client reads them (huggingface_hub, `file_download.py`, `constants.py`). HF_ENDPOINT names a mirror, HF_TOKEN is for private
or limited access: it goes to the endpoint's own scheme, host and port, over TLS or to this machine, and nowhere else; no message shows
it, nor what stands behind the `?` of a signed address. Proxies and certificates are those of the environment (requests).
"""

import os
import re
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

import requests
from requests.auth import AuthBase

from eval.errors import RefereeError

ENDPOINT, TOKEN = "HF_ENDPOINT", "HF_TOKEN"
HUB = "https://huggingface.co"
TIMEOUTS = (10.0, 30.0)  # seconds: to connect; without a byte
HOPS = 5
PASSING = (408, 425, 429, 500, 502, 503, 504)
LONGEST_WAIT = 60.0  # seconds that we let a server make us wait
LINKED = ("X-Linked-Size", "X-Linked-Etag", "X-Repo-Commit")
LOCAL = ("localhost", "127.0.0.1", "::1")


class Passing(Exception):
    """A fault that goes away by itself. `wait`: seconds that the server asked for."""

    def __init__(self, reason: str, wait: float = 0.0):
        super().__init__(reason)
        self.wait = wait


def origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port or {"https": 443, "http": 80}.get(parts.scheme)


class Bearer(AuthBase):
    """The token for one origin. Given with every request, so that requests never looks for another one in ~/.netrc."""

    def __init__(self, token: str, home: str):
        scheme, host, _ = self.home = origin(home)
        self.token = token if scheme == "https" or host in LOCAL else ""

    def __call__(self, request):
        request.headers.pop("Authorization", None)
        if self.token and origin(request.url) == self.home:
            request.headers["Authorization"] = f"Bearer {self.token}"
        return request


@dataclass(frozen=True)
class Remote:
    """A file as the hub describes it. `sha256` is empty where the hub does not say; `etag`: a strong one of the bytes themselves."""

    url: str  # where the bytes are, for a while
    size: int | None
    sha256: str = ""
    etag: str = ""
    commit: str = ""

    @property
    def identity(self) -> str:
        """Names the content as far as it is known, for what was fetched of it; empty where nothing is."""
        return self.sha256 or (f"{self.etag}-{self.size}" if self.etag else "")


class Hub:
    """One endpoint. Threads may share it: requests' connection pool is theirs too."""

    def __init__(self, endpoint: str = "", token: str = ""):
        self.endpoint = (endpoint or HUB).rstrip("/")
        self.auth, self.session = Bearer(token, self.endpoint), requests.Session()

    @classmethod
    def of_environment(cls) -> "Hub":
        endpoint = os.environ.get(ENDPOINT, "")
        if endpoint and urlsplit(endpoint).scheme not in ("http", "https"):
            raise RefereeError(f"{ENDPOINT} is {endpoint!r}; write an address such as {HUB}, or unset it")
        return cls(endpoint, os.environ.get(TOKEN, ""))

    def address(self, repository: str, file: str, revision: str = "main") -> str:
        return f"{self.endpoint}/datasets/{repository}/resolve/{revision}/{quote(file)}"

    def find(self, url: str) -> Remote:
        """Asks for `url` without its bytes. Passing or RefereeError."""
        linked: dict[str, str] = {}
        for _ in range(HOPS):
            response = self.ask("HEAD", url)
            if origin(url) == self.auth.home:  # nobody else may say what the bytes must be
                linked = {name: response.headers[name] for name in LINKED if name in response.headers} | linked
            target = urljoin(url, response.headers["Location"]) if response.is_redirect else url
            if not response.is_redirect or origin(target) != self.auth.home:
                return remote(linked, target, response)
            url = target  # a repository that was renamed
        raise RefereeError(f"{shown(url)} redirects in a circle; check {ENDPOINT}")

    def read(self, found: Remote, start: int) -> requests.Response:
        """The bytes of `found` from `start` on, as a stream to be closed: 206, or 200 where the server begins anew.

        Passing or RefereeError."""
        headers = {"Range": f"bytes={start}-"} if start else {}
        headers |= {"If-Range": found.etag} if start and found.etag else {}
        url = found.url
        for _ in range(HOPS):
            response = self.ask("GET", url, stream=True, **headers)
            if not response.is_redirect:
                return response
            response.close()
            url = urljoin(url, response.headers["Location"])
        raise RefereeError(f"{shown(url)} redirects in a circle; check {ENDPOINT}")

    def ask(self, method: str, url: str, stream: bool = False, **headers: str) -> requests.Response:
        headers |= {"Accept-Encoding": "identity", "User-Agent": "autoresearch-ci"}  # bytes as they are, so that ranges and sizes fit
        try:
            response = self.session.request(
                method, url, headers=headers, auth=self.auth, timeout=TIMEOUTS, stream=stream, allow_redirects=False
            )
        except requests.RequestException as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                fix = "set REQUESTS_CA_BUNDLE to the file with your proxy's"
                raise RefereeError(f"{host(url)} shows a certificate that this machine does not trust; {fix}") from None
            raise Passing(f"{host(url)} does not answer ({type(error).__name__})") from None
        if response.status_code >= 400:
            response.close()
            raise trouble(response, url, origin(url) == self.auth.home)
        return response


def remote(linked: dict[str, str], url: str, response: requests.Response) -> Remote:
    size, digest, commit = (linked.get(name, "") for name in LINKED)
    direct = {} if response.is_redirect else response.headers
    size, digest, etag = size or direct.get("Content-Length", ""), digest.strip('"'), direct.get("ETag", "")
    return Remote(
        url,
        size=int(size) if size.isdecimal() else None,
        sha256=digest if re.fullmatch("[0-9a-f]{64}", digest) else "",
        etag="" if etag.startswith("W/") else etag,
        commit=commit,
    )


def trouble(response: requests.Response, url: str, at_hub: bool) -> Exception:
    """What a status above 399 means: Passing, or a RefereeError with the fix."""
    status, wait = response.status_code, response.headers.get("Retry-After", "")
    if status in PASSING or status in (401, 403) and not at_hub:  # a signed address that has expired is signed anew
        return Passing(f"{host(url)} answers {status}", min(LONGEST_WAIT, float(wait)) if wait.isdecimal() else 0.0)
    if status in (401, 403):
        return RefereeError(f"{shown(url)} is not open to everybody ({status}); set {TOKEN} to a token that may read it")
    if status == 416:
        return Passing(f"{host(url)} has fewer bytes than were fetched")
    return RefereeError(f"{shown(url)} cannot be fetched ({status}); check {ENDPOINT}, or use your own text with `corpus: path:DIR`")


def host(url: str) -> str:
    return urlsplit(url).hostname or url


def shown(url: str) -> str:
    """`url` without what may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{host(url)}{parts.path}"
