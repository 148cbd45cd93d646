"""The protocol between referee and candidate survives a candidate that does not keep it."""

import os

import pytest

from eval.wire import LINE_LIMIT, Breach, Channel, channel_pair, memory_file, read_into


@pytest.fixture
def pair():
    ours, theirs = channel_pair()
    yield ours, theirs
    ours.sock.close()
    theirs.close()


def test_messages_arrive_in_order(pair):
    ours, theirs = pair
    Channel(theirs).send(op="a", rows=1)
    Channel(theirs).send(op="b")
    assert [ours.receive(), ours.receive()] == [{"op": "a", "rows": 1}, {"op": "b"}]


def test_nothing_pending_does_not_block(pair):
    assert pair[0].pending() == []


def test_end_of_stream_is_none(pair):
    pair[1].close()
    assert pair[0].receive() is None and pair[0].closed


@pytest.mark.parametrize("line", [b"junk\n", b"[1]\n", b'{"no": "op"}\n', b'{"op": 3}\n', b"[" * 60_000 + b"\n"])
def test_garbage_is_a_breach(pair, line):
    pair[1].sendall(line)
    with pytest.raises(Breach):
        pair[0].pending()


def test_endless_line_is_a_breach(pair):
    pair[1].setblocking(False)
    with pytest.raises(Breach, match="endless"):
        for _ in range(LINE_LIMIT // 1000 + 2):
            pair[1].send(b"x" * 1000)
            pair[0].pending()


def test_unread_answers_are_a_breach_not_a_blocked_referee(pair):
    with pytest.raises(Breach, match="without reading"):
        for _ in range(100_000):
            pair[0].send(wait=False, op="batch", offset=0)


def test_truncated_memory_is_a_breach():
    fd = memory_file("test")
    os.pwrite(fd, bytes(100), 0)
    with pytest.raises(Breach, match="truncated"):
        read_into(fd, memoryview(bytearray(50)), 80)
    os.close(fd)


def test_memory_has_no_name():
    fd = memory_file("test")
    assert os.fstat(fd).st_nlink == 0
    os.close(fd)
