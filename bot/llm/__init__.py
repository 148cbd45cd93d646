"""Language models over HTTP: `bot.proposers.chat.Chat` asks one. The rest of the bot sees texts, and what they cost."""
