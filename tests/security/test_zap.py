"""ZAP is fail-closed: without a handler, or with one that fails, no client is admitted."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator

import gevent
import pytest
import zmq
import zmq.green

from tests.promises import Promise
from tests.security.keyring import ADMIN, Keyring
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


class EchoServer:
    """A ROUTER socket that returns the messages of admitted clients."""

    def __init__(self, context: GreenContext, keyring: Keyring) -> None:
        secret = read_key_pair(keyring.directory / "server.key_secret").secret
        self.socket = listen(context, zmq.ROUTER, "tcp://127.0.0.1:*", "server", 100, secret)
        self.endpoint = bound_endpoint(self.socket)
        self._echo = gevent.spawn(self._run)

    def _run(self) -> None:
        while True:
            self.socket.send_multipart(self.socket.recv_multipart())

    def close(self) -> None:
        """Close the socket."""
        self._echo.kill()
        self.socket.close(0)

    def admits(
        self,
        keys: ClientKeys,
        timeout: float = 30.0,
        refused: Callable[[], object] = lambda: False,
    ) -> bool:
        """Return whether a client with these keys gets a reply.

        Args:
            keys: the client's.
            timeout: seconds to wait for the reply.
            refused: returns whether the client was refused, so that no reply is to be expected.
        """
        with zmq.green.Context() as context, context.socket(zmq.DEALER) as socket:
            socket.setsockopt(zmq.LINGER, 0)
            socket.setsockopt(zmq.CURVE_SERVERKEY, keys.server)
            socket.setsockopt(zmq.CURVE_PUBLICKEY, keys.own.public)
            socket.setsockopt(zmq.CURVE_SECRETKEY, keys.own.secret)
            socket.connect(self.endpoint)
            socket.send(b"x")
            with contextlib.suppress(AssertionError):
                wait_until(lambda: socket.poll(0) or refused(), timeout, sleep=gevent.sleep)
            return bool(socket.poll(100))


def run(
    context: GreenContext,
    keyring: Keyring,
    is_known: Callable[[str], bool] | None,
    *,
    kill: bool = False,
) -> tuple[bool, Counter[str]]:
    """Return whether a handler admits the admin, and its counters; None runs no handler."""
    counts: Counter[str] = Counter()
    handler = ZapHandler(context, is_known, counts) if is_known else None
    greenlet = gevent.spawn(handler.run) if handler else None
    gevent.sleep(0)
    if kill and greenlet:
        greenlet.kill()
    server = EchoServer(context, keyring)
    admitted = server.admits(keyring.of(ADMIN), 30.0 if is_known and not kill else 0.3)
    server.close()
    if greenlet:
        greenlet.kill()
    if handler:
        handler.close()
    return admitted, counts


def test_a_known_key_is_admitted(context: GreenContext, keyring: Keyring) -> None:
    own = keyring.of(ADMIN).own.public.decode()
    assert run(context, keyring, lambda key: key == own) == (True, Counter({"in": 1}))


def test_an_unknown_key_is_refused(context: GreenContext, keyring: Keyring) -> None:
    requested: list[str] = []

    def is_known(key: str) -> bool:
        requested.append(key)
        return False

    handler = ZapHandler(context, is_known, Counter())
    greenlet = gevent.spawn(handler.run)
    server = EchoServer(context, keyring)
    assert not server.admits(keyring.of(ADMIN), refused=lambda: requested)
    assert requested
    server.close()
    greenlet.kill()
    handler.close()


def test_without_a_handler_no_client_is_admitted(
    context: GreenContext, keyring: Keyring, promise: Promise
) -> None:
    admitted, _ = run(context, keyring, None)
    promise("no ZAP handler", "no client is admitted", f"admitted: {admitted}")
    assert not admitted


def test_with_a_dead_handler_no_client_is_admitted(
    context: GreenContext, keyring: Keyring, promise: Promise
) -> None:
    admitted, _ = run(context, keyring, lambda _key: True, kill=True)
    promise("a dead ZAP handler", "no client is admitted", f"admitted: {admitted}")
    assert not admitted


def test_a_handler_whose_rule_raises_admits_no_client_and_keeps_running(
    context: GreenContext, keyring: Keyring, promise: Promise
) -> None:
    calls: list[str] = []

    def fails(key: str) -> bool:
        calls.append(key)
        raise OSError("broken")

    handler = ZapHandler(context, fails, Counter())
    greenlet = gevent.spawn(handler.run)
    server = EchoServer(context, keyring)
    first = server.admits(keyring.of(ADMIN), refused=lambda: calls)
    second = server.admits(keyring.of(ADMIN), refused=lambda: len(calls) > 1)
    promise("a ZAP rule raises", "refused; the handler runs on", f"admitted: {first or second}")
    assert not first
    assert not second
    assert len(calls) >= 2
    assert not greenlet.dead
    server.close()
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
    with context.socket(zmq.REQ) as requester:
        requester.setsockopt(zmq.LINGER, 0)
        requester.connect("inproc://zeromq.zap.01")
        requester.send_multipart(frames)
        assert requester.poll(30_000)
        assert requester.recv_multipart()[2] == b"400"
    greenlet.kill()
    handler.close()
