"""Reads the replies to several commands, in any pieces."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
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


# Parts of RESP, and bytes that replace or follow them.
PARTS = st.one_of(
    st.sampled_from((b"$", b"-", b"+", b"\r\n", b"\r", b"-1", b"3", b"0", b"a:1", STREAM)),
    st.integers(0, 200).map(lambda number: b"%d" % number),
    st.binary(max_size=8),
)


@given(st.lists(PARTS, max_size=12), st.integers(1, 40))
@settings(max_examples=examples(600))
def test_any_bytes_give_replies_within_the_bound_or_a_poll_error(
    parts: list[bytes], size: int
) -> None:
    data = b"".join(parts)
    outcomes = []
    for step in (size, len(data) + 1):
        reader, error = ReplyReader(3, 100), ""
        try:
            for at in range(0, len(data), step):
                reader.feed(data[at : at + step])
        except PollError as caught:
            error = caught.reason
        bulks = [reply for reply in reader.replies if isinstance(reply, bytes)]
        assert sum(map(len, bulks)) <= 100
        assert len(reader.replies) <= 3
        outcomes.append((reader.replies, bool(error)))
    assert outcomes[0] == outcomes[1], "the pieces make no difference"


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
