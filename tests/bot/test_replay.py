"""Patches of a folder: their order, their words, and which of them a ledger has already used."""

from pathlib import Path

import pytest

from bot.errors import UsageError
from bot.history import History
from bot.proposers import ProposalContext
from bot.proposers.replay import Replay, hypothesis
from bot.records import Proposal

DIFF = "--- a/x.py\n+++ b/x.py\n@@ -1 +1 @@\n-A = 1\n+A = 2\n"
MAIL = """From 1234567890123456789012345678901234567890 Mon Sep 17 00:00:00 2001
From: A Human <a@example.com>
Date: Mon, 1 Jan 2026 00:00:00 +0000
Subject: [PATCH 2/3] raise the learning rate
 in two steps

Because it is too low.
---
 x.py | 2 +-
 1 file changed

diff --git a/x.py b/x.py
"""


def context(*used: str) -> ProposalContext:
    history = History()
    for id, source in enumerate(used, 1):
        history.add(Proposal(0.0, id, "p", "", "h", source, rejected="does not apply" if id == 1 else ""))
    return ProposalContext({}, history, history.next_id, "cpu", Path())


@pytest.fixture
def folder(tmp_path):
    for name in ("10-c.patch", "02-b.diff", "01-a.patch", "notes.txt"):
        (tmp_path / name).write_text(f"idea {name}\n\n{DIFF}")
    (tmp_path / "00-folder.patch").mkdir()
    return tmp_path


def test_patches_come_in_the_order_of_their_names(folder):
    used = []
    for _ in range(3):
        used.append(Replay(folder).propose(context(*used)).source)
    assert Replay(folder).propose(context(*used)) is None
    assert used == ["replay:01-a.patch", "replay:02-b.diff", "replay:10-c.patch"]


def test_the_answer_is_the_patch_as_it_is_in_the_file(folder):
    text = b"crlf\r\n\r\n" + DIFF.replace("\n", "\r\n").encode()
    (folder / "01-a.patch").write_bytes(text)
    assert Replay(folder).propose(context()).patch.encode() == text


def test_a_rejected_patch_is_not_tried_again(folder):
    assert Replay(folder).propose(context("replay:01-a.patch")).source == "replay:02-b.diff"


def test_a_patch_added_later_is_found(folder):
    (folder / "015.patch").write_text(DIFF)
    assert Replay(folder).propose(context("replay:01-a.patch")).source == "replay:015.patch"


@pytest.mark.parametrize(
    "text, words",
    [
        ("a better idea\n\n" + DIFF, "a better idea"),
        ("an idea\non two lines\ndiff --git a/x b/x\n" + DIFF, "an idea on two lines"),
        (MAIL + DIFF, "raise the learning rate in two steps"),
        (DIFF, ""),
        ("what\n---\n x.py | 2 +-\n" + DIFF, "what"),
    ],
    ids=["words", "git diff", "mail", "nothing", "stat"],
)
def test_the_words_before_the_diff_are_the_hypothesis(text, words):
    assert hypothesis(text) == words


def test_without_words_the_file_name_is_the_hypothesis(folder):
    (folder / "01-a.patch").write_text(DIFF)
    assert Replay(folder).propose(context()).hypothesis == "01-a"


def test_a_missing_folder_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="nowhere"):
        Replay(tmp_path / "nowhere").propose(context())


def test_a_patch_that_is_not_text_is_a_usage_error(folder):
    (folder / "01-a.patch").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="01-a.patch is not UTF-8"):
        Replay(folder).propose(context())
