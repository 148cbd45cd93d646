"""Which workflow runs a research, and which of its runs are that research's."""

from dataclasses import dataclass

from bot.errors import AutoresearchError
from bot.forge.api import Forge
from bot.forge.errors import ForgeError

PREFIX = "autoresearch/"  # begins a research's branch, and the title (`run-name:`) of a workflow that runs any; empty names are our own


@dataclass(frozen=True)
class Workflows:
    """`files` as the input `workflow` names them: the first runs the research of the settings, `own`; the last any other one, whose name it
    takes as its input `name` and shows in its title. `name` is the research that is meant here."""

    forge: Forge
    files: tuple[str, ...]
    name: str
    own: str

    def running(self) -> list[int]:
        """Ids of the runs of this research, and of no other."""
        runs = (run for file in self.files for run in self.forge.running(file))
        return sorted({run.id for run in runs if self._research(run.title) == self.name})

    def start(self, experiments: str) -> str:
        """Starts a night of so many experiments ("": as many as usual). Returns the workflow's file."""
        file, given = self.files[0], {"max-experiments": experiments} if experiments else {}
        if self.name != self.own:
            file, given = self.files[-1], given | {"name": self.name}
        try:
            self.forge.dispatch(file, self.forge.default_branch(), given)
        except ForgeError as error:
            if "'name'" not in error.said or "Unexpected inputs" not in error.said:
                raise
            text = f"{file} has no input `name`, so it cannot run the research {self.name}; name one that has as the last of the input"
            raise AutoresearchError(f"{text} `workflow` (such as examples/workflows/dispatch.yml)") from error
        return file

    def _research(self, title: str) -> str:
        return title.removeprefix(PREFIX) if title.startswith(PREFIX) and title != PREFIX else self.own
