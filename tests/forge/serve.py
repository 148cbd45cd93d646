"""The local GitHub as a program: `python -m tests.forge.serve --repo owner/name --from DIR` prints one line of JSON and serves
until it is stopped. `url` is the API, `git_url` the repository, `token` may do what a publishing job may."""

import argparse
import json
import signal
import threading
from pathlib import Path

from .server import FakeGitHub


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.forge.serve", description=__doc__)
    parser.add_argument("--repo", required=True, metavar="OWNER/NAME")
    parser.add_argument("--from", required=True, metavar="DIR", dest="source", type=Path, help="a git repository; its HEAD is served")
    parser.add_argument("--branch", default="main", help="name of the default branch (default: main)")
    parser.add_argument("--port", default=0, type=int, help="0, the default, takes a free one")
    options = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with FakeGitHub(port=options.port) as fake:
        repo = fake.repository(options.repo, options.branch, source=options.source.resolve())
        shown = {"url": fake.url, "server_url": fake.server_url, "graphql_url": fake.graphql_url, "git_url": repo.git_url}
        print(json.dumps(shown | {"repository": repo.full_name, "path": str(repo.path), "token": fake.token()}), flush=True)
        stopped.wait()


if __name__ == "__main__":
    main()
