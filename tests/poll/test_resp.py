"""Reads the replies to several commands, in any pieces."""

from __future__ import annotations

import pytest

from zinfo.poll.errors import PollError
from zinfo.poll.resp import MAX_HEAD, ErrorReply, ReplyReader, pack

STREAM = b"$3\r\na:1\r\n-BUSY a script\r\n$0\r\n\r\n$-1\r\n$8\r\n# B\r\nb:2\r\n"
REPLIES = [b"a:1", ErrorReply("BUSY a script"), b"", b"", b"# B\r\nb:2"]


def test_a_command_is_encoded() -> None:
    assert pack("INFO", "ä") == b"*2\r\n$4\r\nINFO\r\n$2\r\n\xc3\xa4\r\n"


@pytest.mark.parametrize("size", range(1, len(STREAM) + 1))
def test_replies_may_arrive_in_pieces(size: int) -> None:
    reader = ReplyReader(len(REPLIES), 1000)
    pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
    assert [reader.feed(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert reader.replies == REPLIES
    assert [isinstance(reply, ErrorReply) for reply in reader.replies].count(True) == 1


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"$3\r\na:1\r\n$3\r\na:1\r\n$", "more than the replies"),
        (b"$100\r\n", None),
        (b"$60\r\n" + b"a" * 60 + b"\r\n$60\r\n", "120 bytes"),
        (b"$101\r\n", "101 bytes"),
        (b"$" + b"1" * MAX_HEAD, "does not speak the Redis protocol"),
        (b"-" + b"x" * MAX_HEAD, "does not speak the Redis protocol"),
        (b"$-2\r\n", "no valid length"),
        (b"$\xb2\r\n", "no valid length"),
        (b"+OK\r\n", "not a bulk string"),
        (b":1\r\n", "not a bulk string"),
        (b"*1\r\n", "does not speak the Redis protocol"),
        (b"\x15\x03\x01\x00\x02", "TLS"),
        (b"HTTP/1.1 400 Bad Request\r\n", "HTTP"),
    ],
)
def test_replies_are_bounded_and_validated(data: bytes, text: str | None) -> None:
    reader = ReplyReader(2, 100)
    if text is None:
        assert not reader.feed(data)
        return
    with pytest.raises(PollError, match=text):
        reader.feed(data)


def test_a_status_is_accepted_where_it_is_expected() -> None:
    reader = ReplyReader(2, 100, status=True)
    assert reader.feed(b"+OK\r\n:7\r\n")
    assert reader.replies == [b"OK", b"7"]
