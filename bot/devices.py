"""Several devices of one machine, GPUs or parts of its CPU: which they are, and what the worker on each may spend. `bot.scouts` starts
the workers, `bot.split` finds out what `auto` is."""

import os
import re
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import ValidationInfo

from bot import cores
from bot.errors import UsageError

if TYPE_CHECKING:
    from bot.settings import Settings

VISIBLE, ORDER = "CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"
AUTO = ("auto",)
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
    if found == AUTO:
        return found
    for one in found:
        if one.startswith("cpu"):
            cores.cores_of(one)
        elif not DEVICE.fullmatch(one):
            raise ValueError(f"{one!r} is no device; write GPUs as `nvidia-smi -L` shows them, like `[0, 1]`, parts of a CPU like "
                             "`[cpu:0-3, cpu:4-7]`, or `auto` alone")  # fmt: skip
    if len({cpu(one) for one in found}) > 1:
        raise ValueError("GPUs and parts of a CPU are two kinds of machine; name one kind")
    if len(set(found)) < len(found):
        raise ValueError("a device is named twice; name each once")
    taken = [core for one in found if cpu(one) for core in cores.cores_of(one)]
    if twice := {core for core in taken if taken.count(core) > 1}:
        raise ValueError(f"core {min(twice)} is in two parts; each must have cores of its own")
    fits(found, info.data.get("device", "auto"), info.data.get("command") is not None)
    return found


def fits(found: tuple[str, ...], device: str, command: bool) -> None:
    """ValueError where these are no devices of that kind. A command may use GPUs whatever `device` says."""
    if not found or device == "auto":
        return
    if cpu(found[0]) and device != "cpu":
        raise ValueError(f"these are parts of a CPU, and `device` is {device}; write `device: cpu`, or name GPUs")
    if not cpu(found[0]) and device != "cuda" and not command:
        raise ValueError(f"these are GPUs, and `device` is {device}; write `device: cuda`, or name parts of the CPU, like "
                         "`[cpu:0-3, cpu:4-7]`")  # fmt: skip


def cpu(device: str) -> bool:
    return device.startswith("cpu:")


def usable(settings: "Settings") -> None:
    """UsageError where `device: auto` turned out to be of another kind."""
    if settings.devices and not cpu(settings.devices[0]) and settings.device != "cuda" and not settings.command:
        raise UsageError(f"devices: torch finds no GPU here (device is {settings.device}); remove `devices`, or see `autoresearch doctor`")
    try:
        fits(settings.devices, settings.device, bool(settings.command))
    except ValueError as error:
        raise UsageError(f"devices: {error}") from None


@contextmanager
def own(settings: "Settings", environ: MutableMapping[str, str] = os.environ) -> Iterator[None]:
    """This process, and whatever it starts, has the first device alone: a GPU under the number that nvidia-smi gives it, or these cores."""
    check(settings, environ)
    if not settings.devices or settings.devices == AUTO:
        yield
    elif cpu(settings.devices[0]):
        with cores.pinned(settings.devices[0]):
            yield
    else:
        with visible(settings.devices[0], environ):
            yield


def check(settings: "Settings", environ: Mapping[str, str] = os.environ) -> None:
    """UsageError where one is not for this process."""
    given, allowed = environ.get(VISIBLE), cores.usable()
    for one in settings.devices if settings.devices != AUTO else ():
        if cpu(one):
            if foreign := [core for core in cores.cores_of(one) if core not in allowed]:
                here = f"which may use {cores.named(allowed)}" if allowed else "on this system no program chooses its cores"
                raise UsageError(f"devices: core {foreign[0]} of {one} is not for this process, {here}; name others, or `auto`")
        elif given is not None and one not in map(str.strip, given.split(",")):  # a scheduler gave us these, and no others
            raise UsageError(f"devices: {one} is not in {VISIBLE}={given}; name what stands there, as it stands there")


@contextmanager
def visible(gpu: str, environ: MutableMapping[str, str]) -> Iterator[None]:
    before = {name: environ.get(name) for name in (VISIBLE, ORDER)}
    environ |= {VISIBLE: gpu, ORDER: "PCI_BUS_ID"}
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
