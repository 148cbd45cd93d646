"""What GitHub's refusals mean and what to do about each: one clear sentence that names the fix."""

from typing import Literal

from bot.errors import AutoresearchError
from eval.text import harmless

from .call import Answer, Call

Kind = Literal["auth", "permission", "setting", "limit", "network", "missing", "empty", "invalid"]
SETTING = "Settings > Actions > General > Workflow permissions > Allow GitHub Actions to create and approve pull requests"
LIFETIME = (
    "the token of a job (GITHUB_TOKEN) ends with its job and after 24 hours at the latest, a personal token when it expires or is revoked. "
    "Nothing is lost: what is recorded is published by the next run; for longer runs use a GitHub App (app-id, app-private-key), "
    "or let a job of its own publish (mode: publish)"
)


class ForgeError(AutoresearchError):
    """GitHub did not do it. `status` is its answer (0: there was none), `said` its own words."""

    def __init__(self, text: str, kind: Kind, status: int = 0, said: str = ""):
        super().__init__(text)
        self.kind, self.status, self.said = kind, status, said


def explain(call: Call, answer: Answer) -> ForgeError:
    """The error for an answer that trying again will not change."""
    said = quoted(answer.said)
    kind, text = _explain(call, answer, said)
    return ForgeError(text, kind, answer.status, answer.said)


def quoted(text: str) -> str:
    """GitHub's words on one line without workflow commands; they may repeat what someone wrote."""
    line = harmless(" ".join(text.split()))
    return line if len(line) <= 300 else line[:299] + "…"


def _explain(call: Call, answer: Answer, said: str) -> tuple[Kind, str]:
    match answer.status:
        case 401:
            return "auth", f"GitHub no longer accepts the token ({said or 401}), so it cannot {call.what}: {LIFETIME}"
        case 403:
            return _forbidden(call, answer, said)
        case 404 | 410:
            return "missing", (
                f"GitHub cannot {call.what}: there is no {call.path} ({said or answer.status}), or the token may not see it. "
                f"Check the name; in a workflow the job's `permissions:` must have `{call.needs}`"
            )
        case 422 if "no commits between" in said.lower():
            return "empty", f"GitHub cannot {call.what}: the branch holds nothing that its base does not have ({said})"
        case status if status < 400:
            return "missing", f"GitHub cannot {call.what}: {call.path} has moved ({status}); use the repository's present name"
    return "invalid", f"GitHub cannot {call.what}: it answered {answer.status} {said}".rstrip()


def _forbidden(call: Call, answer: Answer, said: str) -> tuple[Kind, str]:
    low = said.lower()
    if "not permitted to create or approve pull requests" in low:
        return "setting", (
            f"GitHub cannot {call.what}: {said} Turn on {SETTING} (where it is greyed out, in the organisation's settings), "
            "or use a GitHub App (app-id, app-private-key)"
        )
    if "x-github-sso" in answer.headers:
        return "permission", f"GitHub cannot {call.what}: authorise the token for the organisation's single sign-on ({said})"
    if "via a github app" in low:
        instead = f"use the job's GITHUB_TOKEN with `{call.needs}`, or a GitHub App"
        return "permission", f"GitHub cannot {call.what} with a personal token: {instead}"
    if "not accessible by" in low:
        return "permission", (
            f"GitHub cannot {call.what}: {said}. The token lacks `{call.needs}`: add it to the job's `permissions:`, or to the repository "
            "permissions of the App or personal token (workflows of a fork's pull request never get it)"
        )
    return "permission", f"GitHub cannot {call.what}: {said or 'forbidden'} (the token needs `{call.needs}`)"
