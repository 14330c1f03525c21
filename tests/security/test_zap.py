"""ZAP is fail-closed: no handler, a dead one or one that fails, and nobody gets in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import gevent
import pytest
import zmq
import zmq.green

from tests.promises import Promise
from tests.security.keyed import ADMIN, Keyring
from tests.waiting import wait_until
from zinfo.errors import EnvironmentNotReadyError
from zinfo.security.zap import ZapHandler
from zinfo.sockets.listen import GreenContext, bound_endpoint, listen
from zinfo.wire.curve_keys import ClientKeys, read_key_pair


@pytest.fixture
def context() -> Iterator[GreenContext]:
    """A daemon's context."""
    context = zmq.green.Context()
    yield context
    context.destroy(linger=0)


class Door:
    """A ROUTER that echoes to whoever is let in."""

    def __init__(self, context: GreenContext, keyring: Keyring) -> None:
        secret = read_key_pair(keyring.directory / "server.key_secret").secret
        self.socket = listen(context, zmq.ROUTER, "tcp://127.0.0.1:*", "door", 100, secret)
        self.endpoint = bound_endpoint(self.socket)
        self._echo = gevent.spawn(self._run)

    def _run(self) -> None:
        while True:
            self.socket.send_multipart(self.socket.recv_multipart())

    def close(self) -> None:
        """Close it."""
        self._echo.kill()
        self.socket.close(0)

    def lets_in(self, keys: ClientKeys, timeout: float = 0.7) -> bool:
        """Return whether somebody with these keys gets an answer."""
        with zmq.green.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.CURVE_SERVERKEY, keys.server)
            socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.own.public)
            socket.setsockopt(zmq.CURVE_SECRETKEY, keys.own.secret)
            socket.connect(self.endpoint)
            socket.send(b"x")
            return bool(socket.poll(int(1000 * timeout)))


def run(
    context: GreenContext,
    keyring: Keyring,
    is_known: Callable[[str], bool] | None,
    *,
    kill: bool = False,
) -> tuple[bool, Counter[str]]:
    """Return whether the admin is let in by a handler (None: there is none), and the counts."""
    counts: Counter[str] = Counter()
    handler = ZapHandler(context, is_known, counts) if is_known else None
    greenlet = gevent.spawn(handler.run) if handler else None
    gevent.sleep(0)
    if kill and greenlet:
        greenlet.kill()
    door = Door(context, keyring)
    let_in = door.lets_in(keyring.of(ADMIN), 5.0 if is_known and not kill else 0.7)
    door.close()
    if greenlet:
        greenlet.kill()
    if handler:
        handler.close()
    return let_in, counts


def test_a_known_key_is_admitted(context: GreenContext, keyring: Keyring) -> None:
    own = keyring.of(ADMIN).own.public.decode()
    assert run(context, keyring, lambda key: key == own) == (True, Counter({"in": 1}))


def test_an_unknown_key_is_refused(context: GreenContext, keyring: Keyring) -> None:
    asked: list[str] = []

    def is_known(key: str) -> bool:
        asked.append(key)
        return False

    handler = ZapHandler(context, is_known, Counter())
    greenlet = gevent.spawn(handler.run)
    door = Door(context, keyring)
    assert not door.lets_in(keyring.of(ADMIN))
    wait_until(lambda: asked, what="the question", sleep=gevent.sleep)
    door.close()
    greenlet.kill()
    handler.close()


def test_without_a_handler_no_client_is_admitted(
    context: GreenContext, keyring: Keyring, promise: Promise
) -> None:
    let_in, _ = run(context, keyring, None)
    promise("no ZAP handler", "nobody is let in", f"let in: {let_in}")
    assert not let_in


def test_with_a_dead_handler_no_client_is_admitted(
    context: GreenContext, keyring: Keyring, promise: Promise
) -> None:
    let_in, _ = run(context, keyring, lambda _key: True, kill=True)
    promise("a dead ZAP handler", "nobody is let in", f"let in: {let_in}")
    assert not let_in


def test_a_handler_whose_rule_raises_admits_no_client_and_keeps_running(
    context: GreenContext, keyring: Keyring, promise: Promise
) -> None:
    calls: list[str] = []

    def fails(key: str) -> bool:
        calls.append(key)
        raise OSError("no such luck")

    handler = ZapHandler(context, fails, Counter())
    greenlet = gevent.spawn(handler.run)
    door = Door(context, keyring)
    let_in = door.lets_in(keyring.of(ADMIN)) or door.lets_in(keyring.of(ADMIN))
    promise("a ZAP handler that raises", "nobody in, it lives on", f"let in: {let_in}")
    assert not let_in
    assert len(calls) >= 2
    assert not greenlet.dead
    door.close()
    greenlet.kill()
    handler.close()


def test_a_second_handler_is_refused(context: GreenContext) -> None:
    handler = ZapHandler(context, bool, Counter())
    with pytest.raises(EnvironmentNotReadyError, match="ZAP"):
        ZapHandler(context, bool, Counter())
    handler.close()


@pytest.mark.parametrize(
    "frames",
    [
        [b"1.0", b"1", b"zinfo", b"127.0.0.1", b"", b"NULL"],
        [b"1.0", b"1", b"zinfo", b"127.0.0.1", b"", b"PLAIN", b"user", b"word"],
        [b"1.0", b"1", b"zinfo", b"127.0.0.1", b"", b"PLAIN", b"x" * 32],
        [b"1.0", b"1", b"other", b"127.0.0.1", b"", b"CURVE", b"x" * 32],
        [b"2.0", b"1", b"zinfo", b"127.0.0.1", b"", b"CURVE", b"x" * 32],
        [b"1.0", b"1", b"zinfo", b"127.0.0.1", b"", b"CURVE", b"x" * 31],
        [b""],
    ],
)
def test_requests_without_curve_or_of_another_domain_are_refused(
    context: GreenContext, frames: list[bytes]
) -> None:
    handler = ZapHandler(context, lambda _key: True, Counter())
    greenlet = gevent.spawn(handler.run)
    with context.socket(zmq.REQ) as asker:
        asker.setsockopt(zmq.LINGER, 0)
        asker.connect("inproc://zeromq.zap.01")
        asker.send_multipart(frames)
        assert asker.poll(2000)
        assert asker.recv_multipart()[2] == b"400"
    greenlet.kill()
    handler.close()
