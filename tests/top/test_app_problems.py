"""The problems in the terminal view: counted at the top, and listed worst first."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from tests.top.building import event
from tests.top.fake import FakeSource
from tests.top.fleet import FleetSource
from tests.top.screen import NARROW, WIDE, lines, press, see, show, text
from zinfo.wire.lifecycle import SOURCE_FAILED


@pytest.mark.parametrize("size", [NARROW, WIDE, (250, 60)])
def test_problems_are_counted_and_listed_worst_first(size: tuple[int, int]) -> None:
    source = FleetSource(120)
    source.poll_all()

    async def steps(pilot: Pilot[None]) -> None:
        await see(pilot, "3 critical, ")
        assert "Problems" in lines(pilot)[-1]
        seen = await press(pilot, "p")
        listed = [line[1:10].strip() for line in lines(pilot)[3:] if line[:1] in " >"]
        severities = [one for one in listed if one in ("critical", "warning", "info")]
        assert severities == sorted(severities, key=("critical", "warning", "info").index)
        assert severities[:3] == ["critical"] * 3
        # The whole id, the detail and what to do are below the list.
        assert "prod-ap-southeast-1-cache-0002.abcdef.cache.amazonaws.com:6379" in seen
        assert "refused" in seen
        assert "no server listens there" in seen
        await press(pilot, "enter")
        await see(pilot, "zinfo top  prod-ap-southeast-1-cache-0002")
        await press(pilot, "escape", "escape")
        await see(pilot, "120 shards")

    show(source, steps, size)


def test_problems_are_filtered_by_a_text() -> None:
    source = FleetSource(120)

    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "p", "slash", *"timeout", "enter")
        assert "1-1 of 1" in text(pilot)
        assert "0 of " in await press(pilot, "slash", "x", "enter")
        await press(pilot, "escape")
        assert "severity" in text(pilot), "it is still the list of problems"

    show(source, steps)


def test_without_problems_it_says_so_and_problems_of_zinfo_are_listed() -> None:
    source = FakeSource(2)

    async def steps(pilot: Pilot[None]) -> None:
        assert "critical" not in text(pilot)
        assert "no problem is known" in await press(pilot, "p")
        assert "Enter" not in lines(pilot)[-1]
        source.model.add_events([event(1, SOURCE_FAILED, shard="", time=1e12)])
        await see(pilot, "(daemon)")
        assert "Enter" not in lines(pilot)[-1], "there is no shard to open"

    show(source, steps)


def test_a_stale_shard_is_no_problem_of_its_own() -> None:
    source = FleetSource(6)

    async def steps(pilot: Pilot[None]) -> None:
        await see(pilot, "critical")
        source.time += 2
        source.set_statuses(fresh=False, problem="no reply")
        await see(pilot, "STALE")
        assert "unknown: see above" in await press(pilot, "p")

    show(source, steps)
