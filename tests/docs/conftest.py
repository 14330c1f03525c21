"""Fixtures of the tests that run commands and programs of the pages."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.daemons import RunningDaemon
from tests.docs.pages import QUERY, QUICK, SHARD, Desk, DeskMaker
from tests.servers import RealServer


@pytest.fixture(scope="module")
def shared_server() -> Iterator[RealServer]:
    """A server for all tests of a module."""
    with RealServer() as running:
        yield running


@pytest.fixture(scope="module")
def shared_daemon(shared_server: RealServer) -> Iterator[RunningDaemon]:
    """A daemon that watches it."""
    with RunningDaemon([shared_server.url], environ=QUICK) as running:
        running.wait_polled(1)
        yield running


@pytest.fixture
def desk_with(tmp_path: Path) -> Iterator[DeskMaker]:
    """Makes desks, whose programs are killed after the test."""
    with contextlib.ExitStack() as stack:

        def make(real: Mapping[str, str]) -> Desk:
            desk = Desk(tmp_path, real)
            stack.callback(desk.close)
            return desk

        yield make


@pytest.fixture
def desk(desk_with: DeskMaker, shared_server: RealServer, shared_daemon: RunningDaemon) -> Desk:
    """A desk with a daemon that watches one server."""
    return desk_with(
        {SHARD: shared_server.ident, QUERY: shared_daemon.query.removeprefix("tcp://")}
    )
