"""DirectSocket loses no wake-up and no message, and a send never blocks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import gevent
import gevent.monkey
import pytest
import zmq
import zmq.green

from tests.waiting import wait_until
from zinfo.loop import yielding
from zinfo.sockets import discard
from zinfo.sockets.direct import MAX_FRAMES, DirectSocket
from zinfo.sockets.listen import bound_endpoint, listen

HWM = 100
FRAMES = 3000  # of a message with too many frames
# Not a readiness check: lets time pass in which only ZeroMQ's own thread runs.
pass_time = gevent.monkey.get_original("time", "sleep")


class Router:
    """A DirectSocket with a bound ROUTER, and its peers."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._peers = stack.enter_context(zmq.Context())
        context = stack.enter_context(zmq.green.Context())
        socket = listen(context, zmq.ROUTER, "tcp://127.0.0.1:*", "test", HWM)
        self.endpoint = bound_endpoint(socket)
        self.socket = DirectSocket(socket)
        stack.callback(self.socket.close)

    def peer(self, name: bytes) -> zmq.Socket[bytes]:
        """Return a connected DEALER with this routing id."""
        peer: zmq.Socket[bytes] = self._stack.enter_context(self._peers.socket(zmq.DEALER))
        peer.linger = 0
        peer.routing_id = name
        peer.connect(self.endpoint)
        peer.send(b"here")
        assert self.socket.receive() == [name, b"here"]
        return peer

    def reader(self) -> tuple[list[list[bytes]], gevent.Greenlet[..., None]]:
        """Start a greenlet that receives messages; return their list, and the greenlet."""
        got: list[list[bytes]] = []

        def read() -> None:
            while True:
                got.append(self.socket.receive())

        greenlet = gevent.spawn(read)
        self._stack.callback(greenlet.kill)
        gevent.idle()
        return got, greenlet


@pytest.fixture
def router() -> Iterator[Router]:
    with contextlib.ExitStack() as stack:
        yield Router(stack)


def soon(condition: Callable[[], object], what: str) -> None:
    wait_until(condition, timeout=60, what=what, sleep=gevent.sleep)


def test_a_send_that_consumes_the_wake_up_restores_it(router: Router) -> None:
    one, two = router.peer(b"one"), router.peer(b"two")
    got, _ = router.reader()
    for _ in range(20):
        got.clear()
        one.send(b"question")
        pass_time(0.01)  # the message has arrived, but the event loop has not noticed
        router.socket.send([b"two", b"to another"])
        soon(lambda: got, "the question that arrived before a send")
    assert two.recv() == b"to another"


def test_a_send_that_fails_restores_it_too(router: Router) -> None:
    one = router.peer(b"one")
    got, _ = router.reader()
    one.send(b"question")
    pass_time(0.01)
    with pytest.raises(zmq.ZMQError) as caught:
        router.socket.send([b"nobody", b"reply"])
    assert caught.value.errno == zmq.EHOSTUNREACH
    soon(lambda: got, "the question that arrived before a send")


def test_a_peer_that_reads_never_reaches_the_high_water_mark(router: Router) -> None:
    one = router.peer(b"one")
    # As many replies as the high-water mark, again and again, without a yield to the event loop.
    for batch in range(30):
        for number in range(HWM):
            router.socket.send([b"one", b"%d" % number])
        for number in range(HWM):
            assert one.poll(60_000), f"batch {batch}, reply {number}"
            assert one.recv() == b"%d" % number


def test_a_send_to_a_peer_that_does_not_read_raises_again(router: Router) -> None:
    router.peer(b"one")

    def send_for_ever() -> None:
        while True:
            router.socket.send([b"one", bytes(100_000)])

    with gevent.Timeout(60), pytest.raises(zmq.Again):
        send_for_ever()


def test_frames_stay_together(router: Router) -> None:
    one = router.peer(b"one")
    got, _ = router.reader()
    for number in range(50):
        one.send_multipart([b"%d" % number, b"", b"x" * number])
    soon(lambda: len(got) == 50, "fifty messages")
    assert got == [[b"one", b"%d" % n, b"", b"x" * n] for n in range(50)]


def test_frames_have_the_address_of_their_peer(router: Router) -> None:
    router.peer(b"one").send(b"question")
    frames = router.socket.receive(copy=False)
    assert [frame.bytes for frame in frames] == [b"one", b"question"]
    assert frames[-1].get("Peer-Address") == "127.0.0.1"


def test_close_wakes_the_reader(router: Router) -> None:
    _, reader = router.reader()
    router.socket.close()
    reader.join(60)
    assert isinstance(reader.exception, zmq.ZMQError)
    router.socket.send(
        [b"one", b"reply"]
    )  # the reply to an earlier request: dropped, without a crash
    router.socket.close()


def test_after_a_reader_was_killed_another_can_read(router: Router) -> None:
    one = router.peer(b"one")
    _, first = router.reader()
    first.kill()
    got, _ = router.reader()
    one.send(b"question")
    soon(lambda: got, "the question")


def test_a_second_reader_is_refused(router: Router) -> None:
    router.reader()
    with pytest.raises(RuntimeError, match="another greenlet"):
        router.socket.receive()


@pytest.fixture(params=["native", "python"])
def short_pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the yield interval to zero; with and without the native part."""
    for module in (yielding, discard):
        monkeypatch.setattr(module, "YIELD_INTERVAL", 0.0)
    if request.param == "python":
        monkeypatch.setattr(discard, "_functions", None)
    elif discard._functions is None:
        pytest.skip("there is no native part here")


@pytest.fixture
def iterations() -> Iterator[list[int]]:
    """Note each iteration of the event loop."""
    loop: Any = gevent.get_hub().loop
    iterations: list[int] = []
    watcher = loop.check()
    watcher.start(lambda: iterations.append(1))
    yield iterations
    watcher.stop()
    watcher.close()


def long_message(name: bytes) -> list[bytes]:
    return [name, *[b"frame"] * (FRAMES - 1)]


def wait_for_rest(router: Router) -> None:
    """Wait until the first piece of a long message was discarded."""
    loop: Any = gevent.get_hub().loop
    with gevent.Timeout(60):
        while not router.socket._discarding:
            gevent.idle(priority=loop.MAXPRI)


def test_of_a_message_with_too_many_frames_only_the_first_ones_are_received(
    router: Router, short_pieces: None, iterations: list[int]
) -> None:
    one = router.peer(b"one")
    got, _ = router.reader()
    one.send_multipart(long_message(b"too long"))
    one.send_multipart([b"next", *[b""] * (MAX_FRAMES - 2)])
    iterations.clear()
    soon(lambda: len(got) == 2, "both messages")
    assert got[0] == [b"one", b"too long", *[b"frame"] * (MAX_FRAMES - 1)]
    assert got[1] == [b"one", b"next", *[b""] * (MAX_FRAMES - 2)]
    assert len(iterations) >= (FRAMES - MAX_FRAMES) // 32  # yields between the pieces


def test_messages_are_sent_while_the_rest_of_a_long_one_is_discarded(
    router: Router, short_pieces: None
) -> None:
    one, two = router.peer(b"one"), router.peer(b"two")
    got, _ = router.reader()
    one.send_multipart(long_message(b"too long"))
    wait_for_rest(router)
    for number in range(20):
        router.socket.send([b"two", b"%d" % number])
        assert two.poll(60_000)
        assert two.recv() == b"%d" % number
        assert router.socket._discarding
    soon(lambda: got, "the long message")


def test_the_next_reader_discards_what_a_killed_one_left(
    router: Router, short_pieces: None
) -> None:
    one = router.peer(b"one")
    _, first = router.reader()
    one.send_multipart(long_message(b"too long"))
    wait_for_rest(router)
    first.kill()
    assert router.socket._discarding
    got, _ = router.reader()
    one.send(b"next")
    soon(lambda: got, "the next message")
    assert got == [[b"one", b"next"]]


def test_close_ends_the_discarding(router: Router, short_pieces: None) -> None:
    one = router.peer(b"one")
    got, reader = router.reader()
    one.send_multipart(long_message(b"too long"))
    wait_for_rest(router)
    router.socket.close()
    reader.join(60)
    assert isinstance(reader.exception, zmq.ZMQError)
    assert not got


def test_the_receive_high_water_mark_bounds_the_messages_of_a_peer(router: Router) -> None:
    with zmq.green.Context() as context:
        for kind, most in ((zmq.ROUTER, 100), (zmq.XPUB, 2)):
            with listen(context, kind, "tcp://127.0.0.1:*", "test", 10_000) as socket:
                assert socket.getsockopt(zmq.RCVHWM) == most
                assert socket.getsockopt(zmq.SNDHWM) == 10_000
