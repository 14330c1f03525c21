"""Messages of very many frames: the rest is discarded, and the daemon goes on."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.security.zmtp import RawPeer, frame
from tests.waiting import wait_until
from zinfo.wire.query_messages import MAGIC, Request, decode_reply, encode_request

FRAMES = 200_000
PING = encode_request(Request("ping", id=1))


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    with RunningDaemon() as daemon:
        yield daemon
        assert "Traceback" not in daemon.log()


def long_message(*first: bytes) -> bytes:
    """Return a message that begins with these frames, and has very many empty ones."""
    begin = b"".join(frame(one, more=True) for one in first)
    return begin + frame(b"", more=True) * FRAMES + frame(b"")


def slowest_answer(daemon: RunningDaemon, until: Any) -> float:
    """Send pings until a condition is true; return the longest time to a reply."""
    times = []

    def ask() -> bool:
        begun = time.monotonic()
        assert daemon.ask("ping").error is None
        times.append(time.monotonic() - begun)
        return bool(until())

    wait_until(ask, what="the long message to be read")
    return max(times)


def counts(daemon: RunningDaemon, part: str) -> Any:
    stats: Any = daemon.ask("stats").body
    return stats[part]


def test_a_request_of_very_many_frames_gets_an_error(
    daemon: RunningDaemon, promise: Promise
) -> None:
    with RawPeer(daemon.query) as peer:
        peer.socket.sendall(long_message(b"", *PING))
        slowest = slowest_answer(
            daemon, lambda: counts(daemon, "query")["errors"].get("bad_request", 0) == 1
        )
        empty, *rest = peer.recv()
        error = decode_reply(rest).error
        peer.send(b"", *PING)
        assert decode_reply(peer.recv()[1:]).error is None
    promise(
        f"a request of {FRAMES:,} empty frames",
        "16 are read, the rest discarded; bad_request; stays connected",
        f"{error!r}; slowest ping of another {1000 * slowest:.0f} ms",
    )
    assert empty == b""
    assert error is not None
    assert (error.code, error.message) == (
        "bad_request",
        "a message may have 16 frames, this has more",
    )


def test_a_message_of_very_many_frames_without_an_envelope_is_dropped(
    daemon: RunningDaemon,
) -> None:
    with RawPeer(daemon.query) as peer:
        peer.socket.sendall(long_message(*[b"no envelope"] * 20))
        peer.send(b"", *PING)
        assert decode_reply(peer.recv()[1:]).error is None
    assert counts(daemon, "query")["dropped"] == {"no envelope": 1}


def test_an_envelope_that_is_too_long_is_not_returned(daemon: RunningDaemon) -> None:
    with RawPeer(daemon.query) as peer:
        peer.send(b"x" * 5000, b"", *PING)
        peer.send(b"x" * 4000, b"", *PING)
        assert peer.recv()[:3] == [b"x" * 4000, b"", MAGIC]
    assert counts(daemon, "query")["dropped"]["envelope too long"] == 1


def test_a_message_of_very_many_frames_to_the_bus_is_refused(
    daemon: RunningDaemon, promise: Promise
) -> None:
    def refused() -> int:
        return int(counts(daemon, "bus")["refused"])

    before = refused()
    with RawPeer(daemon.bus, b"XSUB") as peer:
        peer.socket.sendall(long_message(b"\x02"))
        slowest = slowest_answer(daemon, lambda: refused() > before)
        peer.send(b"\x01~fence/after")
        assert peer.recv()[0] == b"~fence/after"
    promise(
        f"a message of {FRAMES:,} empty frames to the bus",
        "counted as one refusal; stays connected",
        f"refused {refused() - before}; slowest ping of another {1000 * slowest:.0f} ms",
    )
    assert refused() == before + 1
