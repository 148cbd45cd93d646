"""Asks language models for the next change: one or several of them, and again with the reason where an answer cannot be measured.

What is asked is `bot.prompting`, who is asked `ensemble`, over which wire `chat`, what comes back `answer`. An answer that repeats
something, does not apply or breaks a rule goes back with that reason, as often as `attempts` says; each is billed. The model has no
tools: all it can do is write text, which is data until it has passed the same checks as any other proposer's.
"""

import difflib
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from bot.duplicates import Seen, moved
from bot.edit import EditRejected
from bot.errors import UsageError
from bot.prompting.answers import again, repair
from bot.prompting.assembly import build, messages
from bot.prompting.secrets import mask, ours
from bot.prompting.task import brief
from bot.prompting.tokens import count
from bot.proposers import Answer, ProposalContext, Unavailable, cheap
from bot.proposers.answer import Parsed, parse
from bot.proposers.blocks import growth
from bot.proposers.chat import USUAL, Chat, Policy, Reply, key_of
from bot.proposers.ensemble import FAILED, Ensemble
from bot.records import Call, Measurement, Proposal
from bot.spending import Spending

if TYPE_CHECKING:
    from bot.settings import Settings


@dataclass
class Talk:
    """A conversation with one model about one change."""

    context: ProposalContext
    chat: Chat
    said: list[dict[str, str]]
    seen: Seen
    reason: str = ""  # why the last answer was not taken
    idea: str = ""  # its hypothesis, where there was one
    note: str = ""  # why it is measured although it was tried before

    def answered(self, text: str, reason: str) -> None:
        self.reason = reason
        self.said += [{"role": "assistant", "content": text or "(nothing)"}, {"role": "user", "content": again(reason)}]


class Llm:
    """`environ` holds the keys under the names that the settings give. UsageError where one is missing."""

    def __init__(self, settings: "Settings", environ: Mapping[str, str] = os.environ, policy: Policy = USUAL):
        self.settings, self.spending = settings, Spending()
        self.answered = False  # by any of them, since this process began
        keys = [key_of(model, environ, f"models[{i}]") for i, model in enumerate(settings.models)]
        self.ensemble = Ensemble(settings.models, keys, policy)

    def slow(self, context: ProposalContext) -> bool:
        return True

    def propose(self, context: ProposalContext) -> Answer | None:
        seen = Seen(context.history, context.patch, context.files)
        talk = Talk(context, self._pick(context), messages(self._prompt(context)), seen)
        answer = self._ask(talk)
        idea = talk.idea or "an answer that cannot be measured"
        return answer or Answer(idea, source(talk.chat), model=talk.chat.name, rejected=talk.reason)

    def repair(self, context: ProposalContext, proposal: Proposal, broken: Mapping[str, str], failure: Measurement) -> Answer | None:
        """By the model whose change it is, where that is still there; nothing where no answer can be measured."""
        chat = self.ensemble.named(proposal.model) or self._pick(context)
        change = mask(f"{proposal.hypothesis}\n\n{context.patch(proposal.id)}", ours())  # a diff quotes lines of the user's
        asked = repair(failure.log_tail or failure.reason, failure.outcome)
        said = [*messages(self._prompt(context)), {"role": "assistant", "content": change}, {"role": "user", "content": asked}]
        return self._ask(Talk(context, chat, said, Seen(context.history, context.patch, context.files, without=proposal.id)))

    def _prompt(self, context: ProposalContext):
        return build(context, brief(self.settings), self.settings.prompt_tokens)

    def _pick(self, context: ProposalContext) -> Chat:
        return self.ensemble.pick(context.history, random.Random(f"{context.seed}:{context.next_id}"))

    def _ask(self, talk: Talk) -> Answer | None:
        """The first answer that can be measured, of as many as the settings allow. Unavailable where the server gives none."""
        for _ in range(self.settings.attempts):
            parsed = self._once(talk)
            if parsed:
                return Answer(
                    parsed.hypothesis, source(talk.chat), edits=parsed.edits, category=parsed.category, expected=parsed.expected,
                    model=talk.chat.name, learned=parsed.learned, note=talk.note,
                )  # fmt: skip
        return None

    def _once(self, talk: Talk) -> Parsed | None:
        """One request, billed with what came of it."""
        context, model = talk.context, talk.chat.model
        size = sum(count(message["content"]) for message in talk.said)
        with self.spending.request(context.history, self.settings, model, size) as counted:

            def billed(call: Call) -> None:
                counted(call)
                context.billed(call)

            reply = self._reply(talk, billed)
            parsed, reason = self._read(reply.text, talk) if reply.call.outcome == "answer" else (None, reply.call.reason)
            taken = reply.call.outcome != "answer" or parsed
            billed(reply.call if taken else replace(reply.call, outcome="rejected", reason=reason))
        if reply.call.outcome in FAILED:
            raise Unavailable(f"{talk.chat.name}: {reason}")
        if not parsed:
            talk.answered(reply.text, reason)
        return parsed

    def _reply(self, talk: Talk, billed: Callable[[Call], None]) -> Reply:
        """What the settings cannot have known, a key that ends in the night or an account that is used up, is a failure as any other: the
        night goes on. UsageError for it where no model has answered yet."""
        try:
            reply = talk.chat.ask(talk.said, talk.context.next_id, billed)
        except UsageError as error:
            if not self.answered:
                raise
            return Reply("", Call(time.time(), talk.context.next_id, talk.chat.name, dollars=0.0, outcome="error", reason=str(error)))
        self.answered |= reply.call.outcome not in FAILED
        return reply

    def _read(self, text: str, talk: Talk) -> tuple[Parsed | None, str]:
        """(what was understood and can be measured, "") or (None, why not)."""
        try:
            parsed = parse(text, files := talk.context.files, growth(talk.context.mode))
        except EditRejected as error:
            return None, str(error)
        talk.idea = parsed.hypothesis
        if wrong := cheap.refusal(files, parsed.edits, self.settings):
            return None, wrong
        after = {**files, **parsed.edits}
        found = talk.seen.repeat(after, diff(files, parsed.edits), moved(files, after))
        talk.note = found.note
        return (None, found.refusal) if found.refusal else (parsed, "")


def source(chat: Chat) -> str:
    return f"llm:{chat.name}"


def diff(files: Mapping[str, str], edits: Mapping[str, str]) -> str:
    """As git writes it, nearly."""
    found = []
    for path, text in sorted(edits.items()):
        old, new = (side.splitlines(keepends=True) for side in (files[path], text))
        found += [f"diff --git a/{path} b/{path}\n", *difflib.unified_diff(old, new, f"a/{path}", f"b/{path}")]
    return "".join(found)
