"""autoresearch.yml + environment -> one frozen, validated `Settings`. `python -m bot.settings --schema` prints its JSON Schema."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr, ValidationError

from bot import wrong, yamlfile
from bot.asking import Asking
from bot.errors import UsageError
from bot.fields import Device
from eval.budget import Budget, parse_duration
from eval.sources import sized

AUTO: dict[bool, dict[str, Any]] = {  # accelerator? -> the value of `auto`
    False: {"vocab_size": 2048, "sequence_length": 256, "eval_tokens": 32768, "budget": "10s cpu"},
    True: {"vocab_size": 8192, "sequence_length": 2048, "eval_tokens": 1048576, "budget": "5m"},
}
FROM_ENVIRONMENT = ("python", "device", "devices", "sandbox", "state_dir")  # what belongs to a machine, not to the research


class Settings(Asking):
    """What may be edited, how it is measured, who proposes, what may be spent: the settings of autoresearch."""

    _root: Path = PrivateAttr(default=Path("."))

    def model_post_init(self, context: Any) -> None:
        self._root = context["root"]

    @classmethod
    def load(
        cls,
        root: Path,
        config: str | Path = "autoresearch.yml",
        overrides: Mapping[str, Any] | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> "Settings":
        """Options win over the environment (`AUTORESEARCH_DEVICE`, ...), which wins over the file. UsageError names every bad field."""
        path = Path(root) / config
        values, lines = yamlfile.read(path)
        places = {name: f"{path.name}:{line}" for name, line in lines.items()}
        for name in FROM_ENVIRONMENT:
            variable = f"AUTORESEARCH_{name.upper()}"
            if environ.get(variable):
                values[name], places[name] = environ[variable], variable
        for name, value in (overrides or {}).items():
            values[name], places[name] = value, f"--{name.replace('_', '-')}"
        return cls.build(root, values, path, places)

    @classmethod
    def build(
        cls, root: Path, values: Mapping[str, Any], config: Path = Path("autoresearch.yml"), places: Mapping[str, str] | None = None
    ) -> "Settings":
        """Settings from values that need not come from a file. `places` says where each was written."""
        try:
            return cls.model_validate(dict(values), context={"root": Path(root).resolve(), "config": config})
        except ValidationError as error:
            raise UsageError(wrong.explain(error, cls, config.name, places or {})) from None

    @property
    def root(self) -> Path:
        """Top folder of the target's repository."""
        return self._root

    @property
    def branch(self) -> str:
        return f"autoresearch/{self.name}"

    @property
    def limit(self) -> Budget:
        """`budget`, parsed; only after `resolved`."""
        return Budget.parse(self.budget)

    @property
    def reserve_share(self) -> float:
        return float(self.reserve.rstrip("%")) / 100

    @property
    def stop_after_seconds(self) -> float | None:
        return None if self.stop_after is None else parse_duration(self.stop_after)

    def resolved(self, device: Device) -> "Settings":
        """Every `auto` replaced by the value for `device`, which the referee detects (`python -m eval machine`), and a corpus's shards
        counted."""
        automatic = {name: value for name, value in AUTO[device != "cpu"].items() if getattr(self, name) == "auto"}
        if "eval_tokens" in automatic:
            automatic["eval_tokens"] = max(automatic["eval_tokens"], automatic.get("sequence_length", self.sequence_length))
        corpus = sized(self.corpus, device, Budget.parse(automatic.get("budget", self.budget)).seconds)
        return self.model_copy(update={**automatic, "device": device, "corpus": corpus})


def schema() -> dict[str, Any]:
    """The JSON Schema that editors use to complete and check autoresearch.yml."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema()}


if __name__ == "__main__" and sys.argv[1:] == ["--schema"]:
    import json

    print(json.dumps(schema(), indent=2))
