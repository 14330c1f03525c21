"""Servers that misbehave: the state of the shard shows why, and the shard recovers by itself."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import gevent
import pytest
from gevent.server import StreamServer

from tests.gevent_side.peers import BULK, INFO, good_then, handshake, peer, read_command, say
from tests.gevent_side.watching import watching
from tests.waiting import wait_until
from zinfo.poll.limits import PollLimits

LONG = PollLimits(timeout=30, connect_timeout=30, max_reply_bytes=100_000)
SHORT = PollLimits(timeout=1, connect_timeout=1)
"""For peers that reply never or too slowly."""


@pytest.mark.parametrize(
    ("last", "reason"),
    [
        pytest.param(say(b"+OK\r\n"), "protocol", id="not a bulk string"),
        pytest.param(say(b"HTTP/1.1 400 Bad Request\r\n"), "protocol", id="speaks HTTP"),
        pytest.param(say(b"x" * 2000), "protocol", id="sends garbage"),
        pytest.param(say(b"$" + b"1" * 600), "protocol", id="a length without an end"),
        pytest.param(say(b"$-1\r\n"), "protocol", id="nil"),
        pytest.param(say(b"$12a\r\n"), "protocol", id="a length that is not a number"),
        pytest.param(say(b"$200000000\r\nabc"), "protocol", id="announces 200 MB"),
        pytest.param(say(BULK + b"+MORE\r\n"), "protocol", id="more than the reply"),
        pytest.param(say(b"$0\r\n\r\n"), "protocol", id="an empty INFO"),
        pytest.param(say(b"$10\r\n# Server\r\n\r\n"), "protocol", id="an INFO without fields"),
        pytest.param(say(b"-ERR oops\r\n+MORE\r\n"), "protocol", id="more than an error reply"),
        pytest.param(say(BULK[:50], hold=0), "other", id="closes in the middle of a reply"),
        pytest.param(say(hold=0), "other", id="closes instead of a reply"),
        pytest.param(say(hold=30), "timeout", id="sends nothing"),
        pytest.param(
            say(*(BULK[i : i + 1] for i in range(50)), pause=0.05),
            "timeout",
            id="sends single bytes slowly",
        ),
        pytest.param(
            say(b"-NOPERM no permission for info\r\n"), "noperm", id="revokes the permission"
        ),
        pytest.param(
            say(b"-NOAUTH Authentication required.\r\n"), "auth", id="requires a password"
        ),
        pytest.param(say(b"-ERR whatever\r\n"), "other", id="another error"),
    ],
)
def test_a_server_that_starts_to_misbehave_is_reported_and_polled_again(
    last: Callable[[Any], None], reason: str
) -> None:
    limits = SHORT if reason == "timeout" else LONG
    with peer(good_then(last)) as url, watching(limits=limits) as watch:
        shard = watch.add(url)
        watch.wait_for("up")

        def reported() -> bool:
            return any(event.reason == reason for event in watch.events)

        wait_until(reported, what=f"an event with reason {reason}")
        watch.wait_polls(shard, 3)
        assert shard.state == "up"
        assert shard.info is not None
        assert shard.info["redis_version"] == "7.0.0"


def answer(reply: bytes) -> Callable[[Any], None]:
    def script(sock: Any) -> None:
        while True:
            command = read_command(sock)
            sock.sendall(reply if command[0] == b"INFO" else b"+OK\r\n")

    return script


def answer_first(reply: bytes) -> Callable[[Any], None]:
    def script(sock: Any) -> None:
        read_command(sock)
        sock.sendall(reply)
        gevent.sleep(60)  # and the connection stays open

    return script


@pytest.mark.parametrize(
    ("script", "state", "reason"),
    [
        (answer(b"-NOPERM no permission for info\r\n"), "down", "noperm"),
        (answer(b"-LOADING Redis is loading\r\n"), "loading", ""),
        (answer(b"-BUSY Redis is busy running a script\r\n"), "busy", ""),
        (answer(b"-NOAUTH Authentication required.\r\n"), "down", "auth"),
        (answer(b"-ERR unknown command 'INFO'\r\n"), "down", "other"),
        (answer(b"$0\r\n\r\n"), "down", "protocol"),
        (answer(b"$200000\r\n" + b"a:1\n" * 50_000 + b"\r\n"), "down", "protocol"),
        (answer_first(b"-ERR max number of clients reached\r\n"), "down", "refused"),
        (answer_first(b"-DENIED Redis is running in protected mode\r\n"), "down", "refused"),
        (answer_first(b"-ERR invalid password\r\n"), "down", "auth"),
        (answer_first(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "down", "protocol"),
        (answer_first(b""), "down", "timeout"),
        (lambda _sock: None, "down", "other"),
    ],
)
def test_a_server_that_misbehaves_from_the_start_has_the_right_state(
    script: Callable[[Any], None], state: str, reason: str
) -> None:
    limits = SHORT if reason == "timeout" else LONG
    with peer(script) as url, watching(limits=limits) as watch:
        shard = watch.add(url)
        wait_until(lambda: shard.state != "new", what="a state")
        assert (shard.state.value, shard.reason) == (state, reason), shard.last_error
        assert shard.info is None
        assert shard.last_error


def test_a_closed_port_is_refused_and_an_unknown_name_is_dns() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        closed = f"redis://127.0.0.1:{sock.getsockname()[1]}"
        with watching() as watch:
            watch.add(closed, "closed")
            watch.add("redis://no-such-host.invalid:1", "unknown")
            watch.add("unix:///nowhere/redis.sock", "socket")
            assert watch.wait_for("down", "closed").reason == "refused"
            assert watch.wait_for("down", "unknown").reason == "dns"
            assert watch.wait_for("down", "socket").reason == "refused"


def test_a_server_that_closes_each_connection_is_not_reconnected_in_a_tight_loop() -> None:
    connections: list[int] = []

    def script(sock: Any) -> None:
        connections.append(1)
        handshake(sock)
        sock.sendall(BULK)

    quarter: dict[str, Any] = {"MIN_POLLING_INTERVAL": 0.25, "MAX_POLLING_INTERVAL": 0.25}
    with peer(script) as url, peer(answer(BULK)) as good, watching() as watch:
        watch.add(url, **quarter)
        clock = watch.add(good, "clock", **quarter)
        watch.wait_polls(clock, 5)
        assert 2 <= len(connections) <= 20


@pytest.mark.parametrize(
    ("supported", "requested"),
    [
        ({b"everything", b"all", b""}, [b"everything"]),
        ({b"all", b""}, [b"everything", b"all"]),
        ({b""}, [b"everything", b"all", b""]),
    ],
)
@pytest.mark.parametrize("refusal", [b"$0\r\n\r\n", b"-ERR syntax error\r\n"])
def test_the_fullest_info_that_the_server_supports_is_chosen_once(
    supported: set[bytes], requested: list[bytes], refusal: bytes
) -> None:
    sections: list[bytes] = []

    def script(sock: Any) -> None:
        while True:
            command = read_command(sock)
            if command[0] != b"INFO":
                sock.sendall(b"+OK\r\n")
                continue
            section = command[1] if len(command) > 1 else b""
            sections.append(section)
            sock.sendall(BULK if section in supported else refusal)

    with peer(script) as url, watching() as watch:
        watch.wait_polls(watch.add(url), 3)
    assert sections[: len(requested)] == requested
    assert set(sections[len(requested) :]) == {requested[-1]}


def test_a_reply_in_small_pieces_is_assembled() -> None:
    pieces = [BULK[i : i + 7] for i in range(0, len(BULK), 7)]

    def last(sock: Any) -> None:
        while True:
            say(*pieces, pause=0.001, hold=0)(sock)
            read_command(sock)

    with peer(good_then(last, good=1)) as url, watching() as watch:
        shard = watch.add(url)
        watch.wait_polls(shard, 5)
        assert shard.snapshot is not None
        assert shard.snapshot.raw == INFO
        assert watch.types() == ["added", "up"]


def test_a_reply_larger_than_one_read_is_assembled() -> None:
    big = INFO + b"".join(b"field%d:%d\r\n" % (n, n) for n in range(100_000))
    limits = PollLimits(
        timeout=60, connect_timeout=60, max_reply_bytes=1 << 24, max_fields=1_000_000
    )

    def script(sock: Any) -> None:
        handshake(sock)
        while True:
            sock.sendall(b"$%d\r\n%s\r\n" % (len(big), big))
            read_command(sock)

    with peer(script) as url, watching(limits=limits) as watch:
        shard = watch.add(url)
        watch.wait_polls(shard, 3)
        assert shard.snapshot is not None
        assert shard.snapshot.raw == big


def test_silent_servers_do_not_delay_polls_of_others() -> None:
    with (
        peer(good_then(say(hold=300))) as silent,
        peer(answer(BULK)) as good,
        watching(limits=PollLimits(timeout=300, connect_timeout=300)) as watch,
    ):
        silents = [watch.add(silent, f"silent{number}") for number in range(30)]
        shard = watch.add(good, "good")
        wait_until(lambda: all(one.revision == 3 for one in silents), what="them to be silent")
        watch.wait_polls(shard, 20)
        assert all(one.revision == 3 for one in silents), "their polls have not ended"


def test_a_killed_server_that_resets_connections_is_down_once_with_refused() -> None:
    connections: list[int] = []

    def serve(sock: Any, _address: object) -> None:
        connections.append(1)
        if len(connections) == 1:
            handshake(sock)
            sock.sendall(BULK)
            read_command(sock)
        else:
            server.stop_accepting()
            server.socket.close()

    server = StreamServer(("127.0.0.1", 0), serve)
    server.start()
    with watching() as watch:
        watch.add(f"redis://127.0.0.1:{server.server_port}")
        down = watch.wait_for("down")
        assert (down.old, down.reason) == ("up", "refused")
        assert watch.types() == ["added", "up", "down"]
        assert len(connections) == 2
