"""Fixtures of the clients' tests: a peer that speaks the wire, and both flavours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.client.flavours import FLAVOURS, AsyncioFlavour, Flavour
from tests.client.wire_peer import WirePeer


@pytest.fixture
def peer() -> Iterator[WirePeer]:
    """A daemon of the tests' own with shards a, b and c."""
    with WirePeer("a", "b", "c") as running:
        yield running


@pytest.fixture(params=FLAVOURS, ids=lambda kind: kind.name)
def flavour(request: pytest.FixtureRequest) -> Iterator[Flavour]:
    """The blocking clients, then those of asyncio; a socket left open fails the test."""
    with request.param() as made:
        assert isinstance(made, Flavour)
        yield made


@pytest.fixture
def blocking() -> Iterator[Flavour]:
    """The blocking clients alone, for what only they do."""
    with Flavour() as made:
        yield made


@pytest.fixture
def asynchronous() -> Iterator[AsyncioFlavour]:
    """Those of asyncio alone, for what only they do."""
    with AsyncioFlavour() as made:
        assert isinstance(made, AsyncioFlavour)
        yield made
