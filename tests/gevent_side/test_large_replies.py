"""An INFO over the size limits is refused before it is read; the error names the setting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.gevent_side.peers import BULK, INFO, good_then, handshake, peer, read_command
from tests.gevent_side.watching import watching
from tests.promises import Promise
from tests.waiting import wait_until
from zinfo.poll.limits import PollLimits

LIMITS = PollLimits(timeout=60, connect_timeout=60)
LINES = INFO + b"".join(b"%x:1\r\n" % number for number in range(60_000))
PARTS = INFO + b"x:" + b",".join(b"%x=1" % number for number in range(60_000)) + b"\r\n"
BYTES = INFO + b"x:" + b"y" * 600_000 + b"\r\n"
REPLIES = {"lines": LINES, "values in a map": PARTS, "bytes": BYTES}
WHY = {"lines": "poll.max_fields", "values in a map": "poll.max_fields"}


def bulk(info: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(info), info)


def answers(reply: bytes) -> Callable[[Any], None]:
    def script(sock: Any) -> None:
        while True:
            command = read_command(sock)
            sock.sendall(reply if command[0] == b"INFO" else b"+OK\r\n")

    return script


@pytest.mark.parametrize("what", REPLIES)
def test_a_shard_whose_info_is_too_large_is_down_and_the_error_names_the_setting(
    what: str, promise: Promise
) -> None:
    key = WHY.get(what, "poll.max_reply_bytes")
    with peer(answers(bulk(REPLIES[what]))) as url, watching(limits=LIMITS) as watch:
        shard = watch.add(url)
        watch.wait_for("down")
        promise(
            f"an INFO of too many {what}",
            f"down, protocol, and {key} is named; nothing of it is read",
            f"{shard.state.value}, {shard.reason}: {shard.last_error}",
        )
        assert shard.reason == "protocol"
        assert key in shard.last_error
        assert shard.info is None


@pytest.mark.parametrize("what", REPLIES)
def test_a_shard_whose_info_grows_too_large_keeps_its_last_snapshot(what: str) -> None:
    connections: list[int] = []

    def script(sock: Any) -> None:
        connections.append(1)
        if len(connections) > 1:
            answers(bulk(REPLIES[what]))(sock)
        handshake(sock)
        sock.sendall(BULK)
        read_command(sock)
        sock.sendall(bulk(REPLIES[what]))
        read_command(sock)

    with peer(script) as url, watching(limits=LIMITS) as watch:
        shard = watch.add(url)
        down = watch.wait_for("down")
        assert WHY.get(what, "poll.max_reply_bytes") in down.message
        assert shard.snapshot is not None
        assert shard.snapshot.raw == INFO


def test_a_client_whose_info_has_too_many_fields_is_refused() -> None:
    class Client:
        """An object with `info()`."""

        def info(self) -> dict[str, object]:
            return {f"f{number}": number for number in range(4000)}

    with watching(limits=LIMITS) as watch:
        watch.add(Client())
        assert "poll.max_fields" in watch.wait_for("down").message


def test_a_large_reply_within_the_limits_is_accepted() -> None:
    fields = b"".join(b"field%d:%d\r\n" % (n, n) for n in range(2900))
    large = INFO + fields + b"x:" + b"y" * 400_000

    def last(sock: Any) -> None:
        while True:
            sock.sendall(bulk(large))
            read_command(sock)

    with peer(good_then(last, good=1)) as url, watching(limits=LIMITS) as watch:
        shard = watch.add(url)
        wait_until(lambda: shard.snapshot and shard.snapshot.raw == large, what="the large reply")
        watch.wait_polls(shard)
        assert watch.types() == ["added", "up"]
