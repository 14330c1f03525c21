"""DirectSocket: no wake-up and no message is lost, whoever uses the socket, and it never waits."""

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
FRAMES = 3000  # of a message that is far too long
# Nobody but ZeroMQ's own thread goes on meanwhile: not a readiness check, but time that passes.
pass_time = gevent.monkey.get_original("time", "sleep")


class Router:
    """A DirectSocket over a bound ROUTER, and plain peers of it."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._peers = stack.enter_context(zmq.Context())
        context = stack.enter_context(zmq.green.Context())
        socket = listen(context, zmq.ROUTER, "tcp://127.0.0.1:*", "test", HWM)
        self.endpoint = bound_endpoint(socket)
        self.socket = DirectSocket(socket)
        stack.callback(self.socket.close)

    def peer(self, name: bytes) -> zmq.Socket[bytes]:
        """Return a DEALER that the router knows by its name."""
        peer: zmq.Socket[bytes] = self._stack.enter_context(self._peers.socket(zmq.DEALER))
        peer.linger = 0
        peer.routing_id = name
        peer.connect(self.endpoint)
        peer.send(b"here")
        assert self.socket.receive() == [name, b"here"]
        return peer

    def reader(self) -> tuple[list[list[bytes]], gevent.Greenlet[..., None]]:
        """Return a list that a greenlet fills with what it reads, and the greenlet, waiting."""
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
    wait_until(condition, timeout=3, what=what, sleep=gevent.sleep)


def test_a_send_that_takes_the_wake_up_gives_it_back(router: Router) -> None:
    one, two = router.peer(b"one"), router.peer(b"two")
    got, _ = router.reader()
    for _ in range(20):
        got.clear()
        one.send(b"question")
        pass_time(0.01)  # it has arrived, and the event loop has not heard of it
        router.socket.send([b"two", b"to another"])
        soon(lambda: got, "the question that arrived before a send")
    assert two.recv() == b"to another"


def test_a_send_that_fails_gives_it_back_too(router: Router) -> None:
    one = router.peer(b"one")
    got, _ = router.reader()
    one.send(b"question")
    pass_time(0.01)
    with pytest.raises(zmq.ZMQError) as caught:
        router.socket.send([b"nobody", b"reply"])
    assert caught.value.errno == zmq.EHOSTUNREACH
    soon(lambda: got, "the question that arrived before a send")


def test_a_peer_that_reads_is_never_full(router: Router) -> None:
    one = router.peer(b"one")
    # As many replies as are held for a peer, again and again, with no turn of the event loop.
    for turn in range(30):
        for number in range(HWM):
            router.socket.send([b"one", b"%d" % number])
        for number in range(HWM):
            assert one.poll(5000), f"turn {turn}, reply {number}"
            assert one.recv() == b"%d" % number


def test_who_does_not_read_is_full_at_once(router: Router) -> None:
    router.peer(b"one")

    def send_for_ever() -> None:
        while True:
            router.socket.send([b"one", bytes(100_000)])

    with gevent.Timeout(10), pytest.raises(zmq.Again):
        send_for_ever()


def test_frames_stay_together(router: Router) -> None:
    one = router.peer(b"one")
    got, _ = router.reader()
    for number in range(50):
        one.send_multipart([b"%d" % number, b"", b"x" * number])
    soon(lambda: len(got) == 50, "fifty messages")
    assert got == [[b"one", b"%d" % n, b"", b"x" * n] for n in range(50)]


def test_frames_tell_whose_they_are(router: Router) -> None:
    router.peer(b"one").send(b"question")
    frames = router.socket.receive(copy=False)
    assert [frame.bytes for frame in frames] == [b"one", b"question"]
    assert frames[-1].get("Peer-Address") == "127.0.0.1"


def test_closing_ends_the_wait_of_the_reader(router: Router) -> None:
    _, reader = router.reader()
    router.socket.close()
    reader.join(3)
    assert isinstance(reader.exception, zmq.ZMQError)
    router.socket.send([b"one", b"reply"])  # of a request that was under way: nothing, no crash
    router.socket.close()


def test_a_reader_that_is_killed_leaves_the_next_its_place(router: Router) -> None:
    one = router.peer(b"one")
    _, first = router.reader()
    first.kill()
    got, _ = router.reader()
    one.send(b"question")
    soon(lambda: got, "the question")


def test_two_readers_are_one_too_many(router: Router) -> None:
    router.reader()
    with pytest.raises(RuntimeError, match="another greenlet"):
        router.socket.receive()


@pytest.fixture(params=["native", "python"])
def short_pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have work go on for no longer than it takes to look at the clock, with and without C."""
    for module in (yielding, discard):
        monkeypatch.setattr(module, "YIELD_INTERVAL", 0.0)
    if request.param == "python":
        monkeypatch.setattr(discard, "_functions", None)
    elif discard._functions is None:
        pytest.skip("there is no native part here")


@pytest.fixture
def turns() -> Iterator[list[int]]:
    """Note each turn of the event loop."""
    loop: Any = gevent.get_hub().loop
    turns: list[int] = []
    watcher = loop.check()
    watcher.start(lambda: turns.append(1))
    yield turns
    watcher.stop()
    watcher.close()


def long_message(name: bytes) -> list[bytes]:
    return [name, *[b"frame"] * (FRAMES - 1)]


def wait_for_rest(router: Router) -> None:
    """Wait for the first piece of a long message to be discarded, and no other."""
    loop: Any = gevent.get_hub().loop
    with gevent.Timeout(3):
        while not router.socket._discarding:
            gevent.idle(priority=loop.MAXPRI)


def test_of_a_message_that_is_too_long_only_the_beginning_is_received(
    router: Router, short_pieces: None, turns: list[int]
) -> None:
    one = router.peer(b"one")
    got, _ = router.reader()
    one.send_multipart(long_message(b"too long"))
    one.send_multipart([b"next", *[b""] * (MAX_FRAMES - 2)])
    turns.clear()
    soon(lambda: len(got) == 2, "both messages")
    assert got[0] == [b"one", b"too long", *[b"frame"] * (MAX_FRAMES - 1)]
    assert got[1] == [b"one", b"next", *[b""] * (MAX_FRAMES - 2)]
    assert len(turns) >= (FRAMES - MAX_FRAMES) // 32  # others had a turn between two pieces


def test_messages_are_sent_while_the_rest_of_a_long_one_is_discarded(
    router: Router, short_pieces: None
) -> None:
    one, two = router.peer(b"one"), router.peer(b"two")
    got, _ = router.reader()
    one.send_multipart(long_message(b"too long"))
    wait_for_rest(router)
    for number in range(20):
        router.socket.send([b"two", b"%d" % number])
        assert two.poll(5000)
        assert two.recv() == b"%d" % number
        assert router.socket._discarding
    soon(lambda: got, "the long message")


def test_what_a_killed_reader_has_not_discarded_the_next_one_does(
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


def test_closing_ends_the_discarding(router: Router, short_pieces: None) -> None:
    one = router.peer(b"one")
    got, reader = router.reader()
    one.send_multipart(long_message(b"too long"))
    wait_for_rest(router)
    router.socket.close()
    reader.join(3)
    assert isinstance(reader.exception, zmq.ZMQError)
    assert not got


def test_no_peer_has_more_messages_handled_in_one_go_than_this(router: Router) -> None:
    with zmq.green.Context() as context:
        for kind, most in ((zmq.ROUTER, 100), (zmq.XPUB, 2)):
            with listen(context, kind, "tcp://127.0.0.1:*", "test", 10_000) as socket:
                assert socket.getsockopt(zmq.RCVHWM) == most
                assert socket.getsockopt(zmq.SNDHWM) == 10_000
