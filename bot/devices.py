"""Several GPUs of one machine: which they are, whose turn on each it is, and what each may spend. `bot.scouts` starts the workers."""

import os
import re
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import ValidationInfo

from bot.errors import UsageError

if TYPE_CHECKING:
    from bot.settings import Settings

VISIBLE, ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
DEVICE = re.compile(r"\d+|(GPU|MIG)-[\w./-]+")


def listed(value: Any) -> Any:
    """`0,1`, `0` and `[0, GPU-...]` as a list of texts; `null` as an empty one."""
    if isinstance(value, int) and not isinstance(value, bool):
        return (str(value),)
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(","))
    if isinstance(value, list | tuple):
        return tuple(str(one) if type(one) is int else one for one in value)
    return () if value is None else value


def checked(found: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
    for one in found:
        if not DEVICE.fullmatch(one):
            raise ValueError(f"{one!r} is no GPU; write what `nvidia-smi -L` shows: numbers like `[0, 1]`, or GPU-... and MIG-... names")
    if len(set(found)) < len(found):
        raise ValueError("a GPU is named twice; name each once")
    device = info.data.get("device", "auto")
    if found and device not in ("auto", "cuda") and info.data.get("command") is None:
        raise ValueError(f"these are GPUs, and `device` is {device}; write `device: cuda`, or remove `devices`")
    return found


def usable(settings: "Settings") -> None:
    """UsageError where `device: auto` turned out to be no GPU."""
    if settings.devices and settings.device != "cuda" and not settings.command:
        raise UsageError(f"devices: torch finds no GPU here (device is {settings.device}); remove `devices`, or see `autoresearch doctor`")


@contextmanager
def own(settings: "Settings", environ: MutableMapping[str, str] = os.environ) -> Iterator[None]:
    """This process, and whatever it starts, sees the first device alone, under the number that nvidia-smi gives it."""
    if not settings.devices:
        yield
        return
    before = {name: environ.get(name) for name in (VISIBLE, ORDER)}
    if before[VISIBLE] is not None:  # a scheduler gave us these, and no others
        given = [one.strip() for one in before[VISIBLE].split(",")]
        if foreign := [one for one in settings.devices if one not in given]:
            raise UsageError(f"devices: {foreign[0]} is not in {VISIBLE}={before[VISIBLE]}; name what stands there, as it stands there")
    environ |= {VISIBLE: settings.devices[0], ORDER: "PCI_BUS_ID"}
    try:
        yield
    finally:
        for name, value in before.items():
            environ.pop(name, None)
            if value is not None:
                environ[name] = value


def share(settings: "Settings") -> "Settings":
    """What one of the workers may spend: all of them together never more than what was set."""
    count = len(settings.devices)
    if count < 2:
        return settings
    tokens = settings.max_tokens and max(1, settings.max_tokens // count)
    amounts = {name: getattr(settings, name) for name in ("max_dollars", "max_machine_minutes")}
    divided = {name: amount and amount / count for name, amount in amounts.items()}
    return settings.model_copy(update={**divided, "max_tokens": tokens})
