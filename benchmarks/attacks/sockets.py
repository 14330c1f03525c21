"""Attacks on the ZeroMQ sockets: messages of many frames, and floods of small ones."""

from __future__ import annotations

import contextlib
import secrets
import time
from typing import Any

import zmq

from benchmarks.attacks.scene import Attack, Scene, receive
from benchmarks.script import Scale
from tests.daemons import set_curve_keys
from tests.security.zmtp import RawPeer, frame
from zinfo.wire.bus_messages import fence_topic
from zinfo.wire.query_messages import Request, encode_request

_REPLY_TIMEOUT = 120.0  # seconds for a reply
_EMPTY = frame(b"", more=True)
_PING = [b"", *encode_request(Request("ping", id=0))]
_RECONNECT_INTERVAL = 0.05  # seconds until a disconnected peer reconnects
_BATCH = 5_000  # small messages in one call of send


def many(scale: Scale) -> int:
    """Return the number of frames of the largest message: 3 million."""
    return scale.frames


def many_with_keys(scale: Scale) -> int:
    """Return the number of frames of a message with CURVE: 500,000."""
    return scale.frames // 6


def many_to_bus(scale: Scale) -> int:
    """Return the number of frames of a message to the bus: 300,000."""
    return scale.frames // 10


def _frames_to_query(scene: Scene) -> None:
    with contextlib.suppress(OSError), RawPeer(scene.query, b"DEALER") as peer:
        peer.socket.settimeout(_REPLY_TIMEOUT)
        peer.socket.sendall(_EMPTY * (many(scene.scale) - 1) + frame(b""))
        peer.send(*_PING)
        peer.recv()  # the daemon reads the messages of a peer in order


def _frames_with_keys(scene: Scene) -> None:
    with scene.dealer() as socket:
        socket.send_multipart([b""] * many_with_keys(scene.scale))
        socket.send_multipart(_PING)
        receive(socket)


def _frames_to_bus(scene: Scene) -> None:
    with contextlib.suppress(OSError), RawPeer(scene.bus, b"XSUB") as peer:
        peer.socket.settimeout(_REPLY_TIMEOUT)
        peer.socket.sendall(_EMPTY * (many_to_bus(scene.scale) - 1) + frame(b""))
        _wait_for_fence(peer)


def _messages_to_bus(scene: Scene) -> None:
    with contextlib.suppress(OSError), RawPeer(scene.bus, b"XSUB") as peer:
        peer.socket.settimeout(_REPLY_TIMEOUT)
        for _ in range(scene.scale.flood // _BATCH + 1):
            peer.socket.sendall(frame(b"\x02a message of a subscriber's own") * _BATCH)
        _wait_for_fence(peer)


def _subscriptions(scene: Scene) -> None:
    # The daemon may close the connection meanwhile: it limits the subscriptions of a client.
    with contextlib.suppress(OSError), RawPeer(scene.bus, b"XSUB") as peer:
        peer.socket.settimeout(_REPLY_TIMEOUT)
        for start in range(0, scene.scale.flood, _BATCH):
            topics = (b"\x01z1/info/%d/" % number for number in range(start, start + _BATCH))
            peer.socket.sendall(b"".join(map(frame, topics)))
        _wait_for_fence(peer)
    until = (
        time.monotonic() + _REPLY_TIMEOUT
    )  # until the topics of the closed connection are removed
    while time.monotonic() < until:
        with contextlib.suppress(OSError), RawPeer(scene.bus, b"XSUB") as peer:
            _wait_for_fence(peer)
            return
        time.sleep(_RECONNECT_INTERVAL)
    raise RuntimeError("the bus does not respond")


def _wait_for_fence(peer: RawPeer) -> None:
    """Wait until the bus has read all messages of a peer."""
    fence = fence_topic(secrets.token_hex(8))
    peer.send(b"\x01" + fence)
    while peer.recv()[0] != fence:
        pass


def _requests(scene: Scene) -> None:
    """Send small requests as fast as possible, and read no replies."""
    request = b"".join((frame(b"", more=True), frame(_PING[1], more=True), frame(_PING[2])))
    with contextlib.suppress(OSError), RawPeer(scene.query, b"DEALER") as peer:
        peer.socket.settimeout(_REPLY_TIMEOUT)
        for _ in range(scene.scale.flood // _BATCH + 1):
            peer.socket.sendall(request * _BATCH)
    scene.request("ping", {})


def _connects(scene: Scene) -> None:
    for _ in range(scene.scale.connects):
        for endpoint, kind in ((scene.query, b"DEALER"), (scene.bus, b"XSUB")):
            RawPeer(endpoint, kind).close()
        with contextlib.suppress(OSError):
            RawPeer(f"tcp://{scene.http.split('/')[2]}", None).close()


def _handshakes(scene: Scene) -> dict[str, Any]:
    assert scene.keys is not None
    with zmq.Context() as context:
        for number in range(scene.scale.connects // 2):
            with context.socket(zmq.DEALER) as socket:
                socket.linger = 0
                set_curve_keys(socket, scene.keys)
                if number % 2:  # a key that the daemon does not know
                    socket.curve_publickey, socket.curve_secretkey = zmq.curve_keypair()
                socket.connect(scene.query)
                socket.send_multipart(_PING)
                if number % 2 == 0:
                    receive(socket)
    return {}


ATTACKS = (
    Attack("frames", _frames_to_query, many),
    Attack(
        "frames-curve",
        _frames_with_keys,
        many_with_keys,
        keyed=True,
    ),
    Attack("frames-bus", _frames_to_bus, many_to_bus),
    Attack("bus-messages", _messages_to_bus),
    Attack("bus-topics", _subscriptions),
    Attack("pings", _requests),
    Attack("connects", _connects),
    Attack("handshakes", _handshakes, keyed=True),
)
