"""The process that trains: imports torch, waits, then runs the candidate's entry file as `__main__`.

    python -P -m eval.trainer --socket FD --memory FD        (spawned by eval.measure, never by hand)

Pre-warmed: it is started before anyone knows which candidate it will run, so that importing torch (1.3 CPU seconds) overlaps
the referee's own start. The candidate's folders go to the END of sys.path: no file of it can shadow eval, torch or the
standard library.
"""

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

from eval import session
from eval.wire import first_order, report_in


def main(before: Callable[[dict], None] = lambda go: None) -> None:
    """`before` is called with the order, just before candidate code runs."""
    channel, memory = report_in()
    go = first_order(channel)
    if go is None:  # the referee has no use for us
        return
    session.attach(go, channel, memory)
    session.reseed()
    entry = Path(go["candidate"]) / go["entry"]
    sys.path += [str(entry.parent), go["candidate"]]
    sys.argv = [str(entry)]
    before(go)
    try:
        runpy.run_path(str(entry), run_name="__main__")
    except SystemExit as stop:
        if stop.code not in (None, 0):
            raise
    sys.stdout.flush()
    session.report_memory()
    # Sent before the interpreter winds down, which takes torch 0.1 to 0.3 s that are not the candidate's.
    channel.send(op="done")


if __name__ == "__main__":
    main()
