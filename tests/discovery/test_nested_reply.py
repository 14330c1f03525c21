"""Reads one reply with arrays in it, in any pieces and within its bounds."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.discovery.nested_reply import MAX_DEPTH, NestedReplyReader
from zinfo.errors import SourceError
from zinfo.poll.resp import ErrorReply

REPLY = b"*5\r\n$4\r\nname\r\n*2\r\n:-7\r\n*0\r\n+OK\r\n-ERR no\r\n*2\r\n$-1\r\n*-1\r\n"
VALUE = [b"name", [-7, []], b"OK", ErrorReply("ERR no"), [None, None]]


def read(data: bytes, size: int = 7, max_bytes: int = 1000, max_items: int = 100) -> object:
    reader = NestedReplyReader(max_bytes, max_items)
    complete = False
    for at in range(0, len(data), size):
        complete = reader.feed(data[at : at + size])
    return reader.reply if complete else "incomplete"


@pytest.mark.parametrize("size", range(1, len(REPLY) + 1))
def test_a_reply_may_arrive_in_pieces(size: int) -> None:
    assert read(REPLY, size) == VALUE


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_several_replies_are_read_as_an_array(size: int) -> None:
    reader = NestedReplyReader(1000, 100, 3)
    data = REPLY + b"-ERR no\r\n" + b"$1\r\na\r\n"
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    assert [reader.feed(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert reader.reply == [VALUE, ErrorReply("ERR no"), b"a"]
    with pytest.raises(SourceError, match="more than the reply"):
        reader.feed(b"+OK\r\n")


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"$3\r\na\r\n\r\n", b"a\r\n"),
        (b"$-1\r\n", None),
        (b"+PONG\r\n", b"PONG"),
        (b"-NOPERM no\r\n", ErrorReply("NOPERM no")),
        (b":12\r\n", 12),
        (b"*0\r\n", []),
    ],
)
def test_a_reply_may_have_any_type(data: bytes, value: object) -> None:
    assert read(data) == value


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"$2000\r\n", "bytes"),
        (b"*2\r\n$600\r\n" + b"a" * 600 + b"\r\n$600\r\n", "bytes"),
        (b"*101\r\n", "items"),
        (b"*2\r\n*60\r\n" + b":1\r\n" * 60 + b"*60\r\n", "items"),
        (b"*1\r\n" * (MAX_DEPTH + 1), "levels"),
        (b"*9999999999999999999999\r\n", "protocol"),
        (b":99999999999999999999999\r\n", "protocol"),
        (b"$x\r\n", "protocol"),
        (b"$\xd9\xa3\r\n", "protocol"),
        (b"*-2\r\n", "protocol"),
        (b"$3\r\nabcd\r\n", "protocol"),
        (b"%1\r\n", "protocol"),
        (b"+OK\r\n+OK\r\n", "more than"),
        (b"+" + b"a" * 600, "protocol"),
    ],
)
def test_a_reply_out_of_its_bounds_is_refused(data: bytes, problem: str) -> None:
    for size in (1, 5, len(data)):
        with pytest.raises(SourceError, match=problem):
            read(data, size)


@pytest.mark.parametrize(
    ("data", "problem"),
    [(b"HTTP/1.1 400 Bad Request\r\n", "HTTP"), (b"\x15\x03\x03\x00\x02\x02\x46", "TLS")],
)
def test_the_first_bytes_show_what_does_not_speak_the_protocol(data: bytes, problem: str) -> None:
    with pytest.raises(SourceError, match=problem):
        read(data, len(data))


PARTS = st.one_of(
    st.sampled_from(
        (b"*", b"$", b"-", b"+", b":", b"\r\n", b"-1", b"*2\r\n", b"$1\r\na\r\n", REPLY)
    ),
    st.integers(0, 200).map(lambda number: b"%d" % number),
    st.binary(max_size=8),
)


@given(st.lists(PARTS, max_size=14), st.integers(1, 40))
@settings(max_examples=examples(600))
def test_any_bytes_give_a_reply_or_a_source_error(parts: list[bytes], size: int) -> None:
    data = b"".join(parts)
    reader = NestedReplyReader(1000, 100)
    try:
        for at in range(0, len(data), size):
            reader.feed(data[at : at + size])
    except SourceError:
        pass
    assert len(reader.unread) <= 1000 + 600
