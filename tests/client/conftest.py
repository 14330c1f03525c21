"""Fixtures for tests of clients: a peer that speaks the protocol, and both flavours of clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.flavours import FLAVOURS, AsyncioFlavour, Flavour
from tests.client.wire_peer import QUICK_INTERVAL, WirePeer


@pytest.fixture
def peer() -> Iterator[WirePeer]:
    """A test daemon with shards a, b and c."""
    with WirePeer("a", "b", "c") as running:
        yield running


@pytest.fixture
def quick_peer() -> Iterator[WirePeer]:
    """The same with more heartbeats, for tests in which it is silent."""
    with WirePeer("a", "b", "c", interval=QUICK_INTERVAL) as running:
        yield running


@pytest.fixture(params=FLAVOURS, ids=lambda kind: kind.name)
def flavour(request: pytest.FixtureRequest) -> Iterator[Flavour]:
    """The blocking clients, then the asyncio clients; a socket left open fails the test."""
    with request.param() as made:
        assert isinstance(made, Flavour)
        yield made


@pytest.fixture
def blocking() -> Iterator[Flavour]:
    """The blocking clients only."""
    with Flavour() as made:
        yield made


@pytest.fixture
def asynchronous() -> Iterator[AsyncioFlavour]:
    """The asyncio clients only."""
    with AsyncioFlavour() as made:
        assert isinstance(made, AsyncioFlavour)
        yield made
