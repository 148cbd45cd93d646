"""What a proposer that reads text sees: `build` makes the prompt from the record, `again` and `repair` are what is sent after an answer.

Values of the sealed split never enter it; text of others stays inside of fences, and credentials stay out."""

from bot.prompting.answers import again, repair
from bot.prompting.assembly import Prompt, build, messages
from bot.prompting.tokens import count

__all__ = ["Prompt", "again", "build", "count", "messages", "repair"]
