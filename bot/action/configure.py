"""The settings of the checked out repository, with what the inputs override."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from bot.action.inputs import Inputs
from bot.commands import Place
from bot.gitrepo import GitRepo
from bot.settings import Settings
from eval.budget import format_duration

MEASURING = ("run", "all")
# What belongs to the machine that measures, and is not there on the one that publishes or answers a comment.
ELSEWHERE = {"python": "auto", "readable": [], "corpus": "embedded", "proposer": "constants"}


def load(inputs: Inputs) -> Settings:
    """UsageError names every wrong field and input."""
    root = GitRepo.find(inputs.job.workspace.resolve()).root
    given = overrides(inputs)
    settings = Settings.load(root, inputs.config, given)
    if inputs.mode in MEASURING and settings.python == sys.executable and inputs.job.interpreter:
        # `auto`: our own interpreter, which has no torch here.
        settings = Settings.load(root, inputs.config, given | {"python": inputs.job.interpreter})
    return settings


def overrides(inputs: Inputs) -> dict[str, Any]:
    """Fields of the settings that inputs replace; an empty input replaces nothing."""
    given: dict[str, Any] = {"state_dir": str(inputs.state_dir or inputs.job.state())}
    if inputs.name:
        given["name"] = inputs.name
    if inputs.mode not in MEASURING:
        return given | ELSEWHERE
    if inputs.proposer:
        given["proposer"] = inputs.proposer
    if inputs.max_experiments is not None:
        given["max_experiments"] = inputs.max_experiments or None
    if inputs.max_dollars is not None:
        given["max_dollars"] = inputs.max_dollars
    if inputs.stop_after_seconds is not None:
        given["stop_after"] = format_duration(round(inputs.stop_after_seconds, 3))
    return given


@contextmanager
def placed(inputs: Inputs) -> Iterator[None]:
    """Inside, `bot.commands` acts on the settings file that the input names."""
    with click.Context(click.Command("action"), obj=Place(inputs.job.workspace, inputs.config)):
        yield
