"""The GitHub Action's side of the bot: inputs from the step's environment, one mode, outputs in every terminal state.

`python -P -m bot.action` is the entry of action.yml's main step, `python -P -m bot.action.last` of the step that runs whatever happened.
"""
