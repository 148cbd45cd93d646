"""The ledger survives what kills and disks do to it."""

import os
import subprocess
import sys
import threading

import pytest

from bot.errors import AutoresearchError
from bot.ledger import Ledger
from bot.records import Stopped, Verdict

FIRST, SECOND = Verdict(1.0, 1, "discard", "no gain"), Stopped(2.0, "done", 3)


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(tmp_path / "ledger" / "demo")
    ledger.append(FIRST)
    return ledger


def test_events_come_back_as_they_were_written(ledger):
    ledger.append(SECOND)
    assert list(ledger.events()) == [FIRST, SECOND] and not ledger.problems


def test_a_corrupted_line_is_skipped_and_reported_and_stays_in_the_file(ledger):
    with ledger.path.open("ab") as file:
        file.write(b'{"event":"verdict","at":\xff garbage\n')
    ledger.append(SECOND)
    assert list(ledger.events()) == [FIRST, SECOND]
    assert "line 2 is unreadable" in ledger.problems[0]
    assert b"garbage" in ledger.path.read_bytes()


def test_a_line_torn_by_a_kill_does_not_swallow_the_next_event(ledger):
    with ledger.path.open("ab") as file:
        file.write(b'{"event":"stopped","at":2.0,"rea')
    ledger.repair()
    ledger.append(SECOND)
    assert list(ledger.events()) == [FIRST, SECOND] and len(ledger.problems) == 1


def test_a_full_disk_leaves_the_ledger_as_it_was(ledger):
    """RLIMIT_FSIZE makes the kernel refuse the write halfway, as a full disk does."""
    before = ledger.path.read_bytes()
    code = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from bot.ledger import Ledger; from bot.records import Stopped; from bot.errors import AutoresearchError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); ledger = Ledger(Path(sys.argv[1]))\n"
        "size = ledger.path.stat().st_size + 10; resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))\n"
        "try: ledger.append(Stopped(2.0, 'x' * 100))\n"
        "except AutoresearchError as error: print(error); sys.exit(error.exit_code)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(ledger.folder)], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "free some space" in done.stdout, done.stderr
    assert ledger.path.read_bytes() == before


def test_what_another_thread_writes_meanwhile_is_not_cut_off_with_a_write_that_failed(ledger, monkeypatch):
    write, other = os.write, threading.Thread(target=ledger.append, args=(SECOND,))

    def fails(handle, data):
        if threading.current_thread() is other:
            return write(handle, data)
        other.start()
        other.join(0.5)  # as far as it gets
        return write(handle, data[:5])

    monkeypatch.setattr("os.write", fails)
    with pytest.raises(AutoresearchError, match="disk full"):
        ledger.append(FIRST)
    other.join()
    assert list(ledger.events()) == [FIRST, SECOND]


def test_a_folder_that_cannot_be_written_is_a_clear_error(tmp_path):
    (tmp_path / "ledger").write_text("a file where the folder should be")
    with pytest.raises(AutoresearchError, match="cannot write"):
        Ledger(tmp_path / "ledger").append(FIRST)


def test_a_patch_keeps_its_line_ends(ledger):
    ledger.write_patch(7, "-a = 1\r\n+a = 2\r\n")
    assert ledger.read_patch(7) == "-a = 1\r\n+a = 2\r\n"


def test_patches_are_replaced_whole(ledger):
    ledger.write_patch(7, "first, longer than the second\n")
    ledger.write_patch(7, "second\n")
    assert ledger.read_patch(7) == "second\n" and os.listdir(ledger.folder / "patches") == ["0007.patch"]
