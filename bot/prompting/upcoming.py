"""What a model would be asked next: the prompt of the next experiment of a research, without a run and without asking anybody."""

from dataclasses import dataclass

from bot.errors import UsageError
from bot.gitrepo import GitRepo
from bot.history import History
from bot.profiling import records as profiles
from bot.prompting.assembly import Prompt, build
from bot.prompting.task import brief
from bot.proposers import ProposalContext
from bot.proposers.prices import Price, price
from bot.report import files
from bot.settings import Settings
from bot.starting import check_files, resume_point


@dataclass(frozen=True)
class Cost:
    """Of one model: `prompt` dollars, and `longest` for an answer as long as it may be; None where its price is not known."""

    model: str
    prompt: float | None
    longest: float | None


def prompt(settings: Settings) -> tuple[ProposalContext, Prompt]:
    """Of a research that has not begun too. UsageError where it could not begin."""
    context = upcoming(settings)
    return context, build(context, brief(settings), settings.prompt_tokens)


def upcoming(settings: Settings) -> ProposalContext:
    """The context that the next `run` would give its proposer, as far as it is known without that machine."""
    from bot import elsewhere, plateau

    repo, ledger = GitRepo(settings.root), files.ledger(settings)
    history = elsewhere.lend(History.fold(ledger.events()), settings)
    sha = _champion(repo, settings, history)
    check_files(repo, settings, sha)
    known = history.last_opened.machine.get("device") if history.last_opened else None
    device = known or (settings.device if settings.device != "auto" else "cpu")
    settings = settings.resolved(device)
    texts = {path: repo.read(sha, path) for path in settings.editable}
    return ProposalContext(
        texts, history, history.next_id, device, settings.root, settings.direction, settings=settings, patch=ledger.read_patch,
        profile=lambda of: profiles.load(settings, of or sha), mode=plateau.coming(history, settings).mode,
    )  # fmt: skip


def _champion(repo: GitRepo, settings: Settings, history: History) -> str:
    if history.begun:
        resume_point(repo, settings, history)
        return history.champion_sha
    if base := repo.resolve(settings.base):
        return base
    raise UsageError(f"base: {settings.base!r} is not a branch, tag or commit of this repository")


def costs(settings: Settings, tokens: int) -> list[Cost]:
    return [_cost(model.model, price(model), tokens, model.max_tokens) for model in settings.models]


def _cost(name: str, known: Price | None, tokens: int, longest: int) -> Cost:
    return Cost(name, known.of(tokens, 0), known.of(0, longest)) if known else Cost(name, None, None)
