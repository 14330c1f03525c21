"""The terminal view with a real daemon and real servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from textual.pilot import Pilot

from tests.cli.conftest import Fleet, fleet
from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.servers import RealServer, put_load
from tests.top.environ import SOON
from tests.top.screen import NARROW, PATIENCE, WIDE, lines, press, see, show, text
from zinfo.top.feed import Feed

__all__ = ["fleet"]  # a fixture


@pytest.fixture(scope="module")
def servers() -> Iterator[list[RealServer]]:
    with RealServer() as first, RealServer() as second:
        yield [first, second]


@pytest.fixture(scope="module")
def daemon(servers: list[RealServer]) -> Iterator[RunningDaemon]:
    with RunningDaemon([server.url for server in servers], environ=SOON) as daemon:
        daemon.wait_polled(2)
        yield daemon


@pytest.fixture
def feed(daemon: RunningDaemon) -> Iterator[Feed]:
    with Feed(daemon.query) as feed:
        yield feed


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_a_shard_that_is_killed_is_shown_as_down_until_it_is_back(
    size: tuple[int, int], feed: Feed, servers: list[RealServer], promise: Promise
) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await see(pilot, "2 shards: 2 up")
        await press(pilot, "e")
        servers[0].kill()
        began = time.monotonic()
        await see(pilot, "2 shards: 1 up, 1 down", "down: refused ")
        took = time.monotonic() - began
        promise("a server is killed", "zinfo top shows it", f"after {took:.1f} s")
        await see(pilot, f"{servers[0].ident}", "down: refused (was up)")
        await asyncio.to_thread(servers[0].start)
        await see(pilot, "2 shards: 2 up", "restarted: run_id")

    show(feed, steps, size)


def test_a_shards_page_has_the_sections_and_values_of_the_server(
    feed: Feed, servers: list[RealServer]
) -> None:
    put_load(servers[0].client(), 50)
    servers[0].client().config_set("maxmemory", "64mb")

    async def steps(pilot: Pilot[None]) -> None:
        await see(pilot, "2 shards: 2 up")
        await press(pilot, "slash", *servers[0].ident, "enter", "enter")
        await see(pilot, f"zinfo top  {servers[0].ident}", "# Memory", " 64M ")
        await press(pilot, "slash", *"run_id")
        await see(pilot, str(servers[0].client().info()["run_id"])[:30])
        await press(pilot, "escape", "end", "slash", *"lru_clock")
        await see(pilot, "# Server  1 line", "  lru_clock")
        await press(pilot, "escape", "slash", *str(servers[0].client().dbsize()))
        await see(pilot, "# Keyspace  1 line")

    show(feed, steps, WIDE)


def test_counters_of_a_busy_server_have_rates_and_are_highlighted(
    feed: Feed, servers: list[RealServer]
) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await see(pilot, "2 shards: 2 up")
        await press(pilot, "slash", *servers[0].ident, "enter", "enter", "slash")
        await press(pilot, *"total_commands", "enter")

        def highlighted() -> bool:
            found = [line for line in lines(pilot) if "total_commands_processed" in line]
            return bool(found) and found[0].startswith("* ") and found[0].split()[-2].endswith("k")

        client, deadline = servers[0].client(), time.monotonic() + PATIENCE
        while not highlighted():
            assert time.monotonic() < deadline, text(pilot)
            await asyncio.to_thread(put_load, client, 50)

    show(feed, steps, WIDE)


def test_a_daemon_that_is_stopped_and_started_again_is_stale_meanwhile(
    feed: Feed, daemon: RunningDaemon
) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await see(pilot, "2 shards: 2 up")
        await press(pilot, "e")
        await asyncio.to_thread(daemon.terminate)
        await see(pilot, "STALE for")
        assert " up " not in text(pilot).partition("events")[0]
        await asyncio.to_thread(daemon.start)
        await see(pilot, "2 shards: 2 up", "restart: the daemon was restarted")

    show(feed, steps)


def test_a_daemon_that_hangs_is_stale_too(feed: Feed, daemon: RunningDaemon) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await see(pilot, "2 shards: 2 up")
        daemon.suspend()
        await see(pilot, "STALE for", " stale ")
        daemon.resume()
        await see(pilot, "2 shards: 2 up")

    show(feed, steps)


def test_labels_and_dead_shards_are_found_by_a_filter(fleet: Fleet) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await see(pilot, "3 shards: 2 up, 1 down")
        await press(pilot, "slash", *"role=cache", "enter")
        assert "1 of 3 shown" in text(pilot)
        assert fleet.second.ident in text(pilot)
        await press(pilot, "escape", "slash", *"down", "enter")
        await see(pilot, fleet.dead, "down: refused")

    with Feed(fleet.daemon.query) as feed:
        show(feed, steps)
