"""One measurement, start to end: the trusted process that trains a candidate, scores it and says how it went.

    python -P -m eval measure --candidate DIR --corpus DIR --seed 1 --budget "5s cpu" --out result.json

Order of events: lock the device -> spawn trainer and two workers in their sandboxes (their torch imports overlap everything below)
-> open the corpus -> training -> kill the tree -> inspect the checkpoint -> first worker scores, is killed -> second worker must
agree -> result. Every module of ours is imported before candidate code runs, so files it edits on disk are never read by the referee.
"""

import signal
import time

from eval import outcome
from eval.errors import Failed
from eval.exclusive import exclusive
from eval.folders import held_back
from eval.process import become_subreaper
from eval.request import Request
from eval.run import Notify, Run, likely
from eval.sandbox import choose, shield


def measure(request: Request, notify: Notify) -> dict:
    """The result (see `eval.request.blank`), whatever the candidate did. RefereeError for bad arguments, corpus or machine.

    Always kills and wipes."""
    request.check()
    shield()
    become_subreaper()
    sandbox = choose(request.sandbox, request.launcher)
    with exclusive(likely(request.device), request.locks, lambda: notify("waiting", 0.0, None)):
        run = Run(request, sandbox, notify)
        try:
            run.attempt()
        except Failed as failed:
            reproduction, explanation = failed.reproduction, failed.explanation
            run.result |= {"outcome": failed.outcome, "reason": outcome.presentable(failed.reason)}
            run.result |= {"reproduction": reproduction, "explanation": explanation}
        finally:
            with held_back(signal.SIGTERM, signal.SIGINT):
                survivors = run.close()
    result = run.result
    if survivors:
        result |= {"outcome": "invalid", "reason": f"processes {survivors} survived SIGKILL; the machine needs a look"}
    if result["outcome"] != "ok":
        result["val_bpb"] = None
    result["seconds"] = time.monotonic() - run.launched
    return result
