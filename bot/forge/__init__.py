"""GitHub's API: `api.Forge` is its only caller. The rest of the bot sees the records of `records` and the errors of `errors`."""
