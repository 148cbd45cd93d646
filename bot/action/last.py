"""The step that runs whatever happened: where the main step could not write its outputs (it was killed), this one says what is known.

AR_OUTCOME=failure|cancelled AR_MODE=... AR_CONFIG=... AR_NAME=... AR_STATE_DIR=... python -P -m bot.action.last
"""

import os
from collections.abc import Mapping
from pathlib import Path

from bot.action import facts
from bot.action.inputs import Job
from bot.action.log import LOG
from bot.action.outputs import Outputs
from bot.errors import AutoresearchError
from bot.gitrepo import GitRepo
from bot.report import files
from bot.settings import Settings


def main(environ: Mapping[str, str] = os.environ) -> None:
    job = Job.read(environ)
    outputs = Outputs(job.output)
    outputs.set(status="cancelled" if environ.get("AR_OUTCOME") == "cancelled" else "failed")
    with LOG.inert():
        try:
            known(environ, job, outputs)
        except (AutoresearchError, OSError) as error:  # it never got as far as a ledger
            print(f"no numbers: {' '.join(str(error).split())}")
        outputs.write()


def known(environ: Mapping[str, str], job: Job, outputs: Outputs) -> None:
    given = {"state_dir": environ.get("AR_STATE_DIR") or str(job.state()), "python": "auto"}
    given |= {"name": environ["AR_NAME"]} if environ.get("AR_NAME") else {}
    root = GitRepo.find(Path(job.workspace).resolve()).root
    settings = Settings.load(root, environ.get("AR_CONFIG", "autoresearch.yml"), given)
    _, history = files.load(settings)
    facts.fill(outputs, settings, history)


if __name__ == "__main__":
    main()
