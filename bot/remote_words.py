"""What git says when a remote does not answer as hoped -> what kind of failure it is, and the fix. Pure."""

import re

WORST = 400  # characters of git's own words in a message
RULES: list[tuple[str, str, str]] = [  # kind, what git says, fix; the first that matches
    ("other", r"No space left on device", "free some disk space and run again"),
    ("other", r"certificate", "have git trust the server's certificate (`http.sslCAInfo`)"),
    ("other", r"does not appear to be a git repository", "correct the path"),
    ("refused", r"without .?workflows?.? permission", "the branch's .github/workflows differ from the remote's: update the base branch and "
     "start from there; the token must not get that permission"),
    ("refused", r"exists; cannot create|directory file conflict", "another branch is in the way of that name: rename it (`autoresearch` "
     "and `autoresearch/...` exclude each other)"),
    ("refused", r"GH001|exceeds GitHub's file size limit", "a file is too large for GitHub; choose another `name:` for a new ledger"),
    ("moved", r"\[rejected\]|stale info|cannot lock ref|failed to update ref|incorrect old value|reference already exists", "it was "
     "moved by someone else meanwhile, and nothing was overwritten"),
    ("refused", r"\[remote rejected\]|hook declined|GH0\d\d|shallow update not allowed", "a rule of the repository forbids it: allow "
     "the token's owner to create and update `autoresearch/**` (Settings > Rules)"),
    ("auth", r"error: 403|Permission to .* denied|Write access", "the token may not do this: give the job `permissions: contents: {need}`"),
    ("auth", r"error: 401|Authentication failed|could not read (Username|Password)|Invalid username", "{login}"),
    ("auth", r"error: 404|[Rr]epository .*not found", "there is no such repository, or the token may not see it: correct the address, or "
     "give the token access to the repository"),
    ("auth", r"Permission denied|access rights", "this user may not do it: correct the key or the folder's permissions"),
    ("other", r"error: 30\d|unable to update url base from redirection", "the repository has moved: use its new address"),
    ("network", r"error: (5\d\d|429)|resolve host|onnect to|onnection (was )?(refused|reset|timed out|closed|aborted)|timed out|hung up|"
     r"early EOF|RPC failed|unexpected disconnect|Empty reply|too slow|transfer closed|(Recv|Send) failure|gnutls|SSL_|OpenSSL|HTTP/2|"
     r"unreachable|expected flush|bad line length", "the network or the server failed; it can be tried again later"),
    ("other", r"couldn't find remote ref", "the remote no longer has it; run again"),
]  # fmt: skip
LOGIN = {
    True: "the token is not valid, or no longer: a job's own token ends with the job, at most after 24 hours; run again, use a GitHub App "
    "(`app-id`), or leave pushing to the publish job",
    False: "it asks for a token and there is none; give one (`github-token`)",
}


def explain(what: str, said: str, access: str, token: bool) -> tuple[str, str]:
    """(message, kind). `access`: read | write, what the token needed; `token`: whether there was one."""
    need = access if access == "write" else "read"
    for kind, pattern, fix in RULES:
        if re.search(pattern, said):
            return f"{what}: {short(said)}; {fix.format(need=need, login=LOGIN[token])}", kind
    return f"{what}: {short(said) or 'failed without a word'}", "other"


def short(said: str) -> str:
    """The lines that matter, as one: what the server sent may hold anything, so control characters go."""
    lines = [" ".join(re.sub(r"[\x00-\x1f\x7f-\x9f]", " ", line).split()) for line in said.splitlines()]
    told = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "!", "ssh:")) and line != "remote:"]
    text = " / ".join(dict.fromkeys(told or filter(None, lines)))
    return text if len(text) <= WORST else text[: WORST - 1] + "…"
