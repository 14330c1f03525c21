"""The view of three daemons that share the shards, some of which are killed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from textual.pilot import Pilot

from tests.top.screen import WIDE, press, see, show, text
from tests.top.several_daemons import COPIES, COUNT, IDS, MORTAL, Daemons, shards_of
from tests.waiting import wait_until
from zinfo.client import Client
from zinfo.top.feed import Feed
from zinfo.wire.slices import slices_of

TIMEOUT = 60.0


@pytest.fixture(scope="module")
def daemons() -> Iterator[Daemons]:
    with ExitStack() as stack:
        yield Daemons(stack)


@pytest.fixture
def feed(daemons: Daemons) -> Iterator[Feed]:
    with Feed(daemons.endpoints) as feed:
        yield feed


def kinds(feed: Feed) -> Counter[tuple[str, str]]:
    with feed.locked() as model:
        return Counter((event.shard, event.type) for event in model.events(1000))


def test_each_shard_and_each_event_is_there_once(feed: Feed, daemons: Daemons) -> None:
    feed.wait_ready(TIMEOUT)

    def complete() -> bool:
        with feed.locked() as model:
            rows, state = model.rows(feed.now()), model.feed(feed.now())
        return len(rows) == len(IDS) and state.daemons.startswith("3 of 3 daemons")

    wait_until(complete, TIMEOUT, "all daemons to be read")
    with feed.locked() as model:
        state, rows = model.feed(feed.now()), model.rows(feed.now())
        copies = {one: model.copies(one) for one in IDS}
    assert (state.daemons, state.missing) == ("3 of 3 daemons, slices 0-2, 2 copies", ())
    assert [(row.shard, row.status) for row in rows] == [(one, "up") for one in IDS]
    for shard, polled in copies.items():
        names = {f"zinfo-{number}" for number in slices_of(shard, COUNT, COPIES)}
        assert {copy.daemon for copy in polled} == names
        assert [copy.shown for copy in polled].count(True) == 1
    daemons.mortal.kill()
    wait_until(lambda: kinds(feed)[MORTAL, "down"], TIMEOUT, "the event")
    daemons.mortal.start()
    wait_until(lambda: kinds(feed)[MORTAL, "restarted"], TIMEOUT, "the next event")
    found = kinds(feed)
    of_shards = {key: count for key, count in found.items() if key[0] and count > 1}
    assert of_shards == {(MORTAL, "up"): 2}
    assert all(found[one, "added"] == 1 for one in IDS)


def test_a_silent_daemon_and_a_missing_slice_are_named(feed: Feed, daemons: Daemons) -> None:
    both = shards_of(1) & shards_of(2)  # of which no copy is left once these are killed
    assert both

    async def steps(pilot: Pilot[None]) -> None:
        await see(pilot, "3 of 3 daemons, slices 0-2, 2 copies", "6 shards: 6 up")
        await asyncio.to_thread(daemons.running[2].kill)
        await see(pilot, "2 of 3 daemons, slices 0-1 of 3, 2 copies", "6 shards: 6 up")
        await press(pilot, "e")
        await see(pilot, "stale: zinfo-2 (")
        await asyncio.to_thread(daemons.running[1].kill)
        await see(pilot, "MISSING: slice 1 of 3", "; slice 2 of 3", "1 of 3 daemons, slice 0 of 3")
        await see(pilot, " stale ")
        with feed.locked() as model:
            states = {row.shard: row.shown_state for row in model.rows(feed.now())}
        assert states == {one: "stale" if one in both else "up" for one in IDS}
        await press(pilot, "slash", *min(shards_of(0)), "enter", "enter")
        await see(pilot, "polled by zinfo-0 (shown), zinfo-", " (silent)", "  primary ")
        await press(pilot, "escape", "escape", "slash", *min(both), "enter", "enter")
        await see(pilot, f"zinfo top  {min(both)}", "polled by", "MISSING: slice 1 of 3")
        await press(pilot, "escape", "escape")
        for number in (1, 2):
            await asyncio.to_thread(daemons.running[number].start)
        await see(pilot, "3 of 3 daemons, slices 0-2, 2 copies", "6 shards: 6 up")
        await see(pilot, "again: zinfo-1 responds again")

    show(feed, steps, WIDE)


def test_a_shards_page_says_which_daemons_poll_it_and_which_copy_is_shown(feed: Feed) -> None:
    first, second = sorted(slices_of("db-0", COUNT, COPIES))

    async def steps(pilot: Pilot[None]) -> None:
        await see(pilot, "3 of 3 daemons", "6 shards: 6 up")
        await press(pilot, "enter")
        seen = await see(pilot, "zinfo top  db-0", "polled by", "(shown)", "# Memory")
        assert f"zinfo-{first}" in seen
        assert f"zinfo-{second}" in seen

    show(feed, steps, WIDE)


def test_a_single_daemon_says_its_slice(daemons: Daemons) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        count = len(shards_of(1))
        await see(pilot, f"slice 1 of 3  {daemons.endpoints[1]}", f"{count} shards: {count} up")
        await press(pilot, "enter")
        assert "polled by" not in text(pilot)

    with Feed(daemons.endpoints[1]) as feed:
        show(feed, steps, WIDE)


def test_no_daemon_gets_requests_unless_the_model_is_looked_at(
    daemons: Daemons, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[str] = []
    send = Client._send

    def counted(client: Client, op: str, args: dict[str, object], deadline: float) -> object:
        requests.append(client.endpoint)
        return send(client, op, args, deadline)

    monkeypatch.setattr(Client, "_send", counted)
    monkeypatch.setattr("zinfo.top.feed.LOOK_SECONDS", 0.3)
    with Feed(daemons.endpoints) as feed:
        wait_until(feed._thread.is_alive, TIMEOUT, "the thread")
        assert requests == []
        feed.wait_ready(TIMEOUT)
        wait_until(lambda: set(requests) == set(daemons.endpoints), TIMEOUT, "requests to all")

        def paused() -> bool:
            with feed._lock:
                return feed._model._paused

        wait_until(paused, TIMEOUT, "the pause")
        before = len(requests)
        feed.add_event("note", "of this process")  # no look
        assert (len(requests), paused()) == (before, True)
