"""Fixtures of the clients' tests: a peer that speaks the wire, and no socket left open."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import zmq

from tests.client.wire_peer import WirePeer
from tests.waiting import wait_until


@pytest.fixture
def peer() -> Iterator[WirePeer]:
    """A daemon of the tests' own with shards a, b and c."""
    with WirePeer("a", "b", "c") as running:
        yield running


@pytest.fixture
def context() -> Iterator[zmq.Context[zmq.Socket[bytes]]]:
    """A context of the test's own; a socket left open in it fails the test."""
    own: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    yield own
    ended = threading.Thread(target=own.term, daemon=True)
    ended.start()
    wait_until(lambda: not ended.is_alive(), timeout=5, what="all sockets of the test to be closed")
