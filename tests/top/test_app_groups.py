"""Groups of shards in the terminal view: folded, unfolded, with totals, by keys and by mouse."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from tests.top.fleet import CLUSTERS, FleetSource
from tests.top.screen import NARROW, WIDE, lines, press, see, show, text
from zinfo.top.glyphs import PLAIN

HUGE = (250, 60)


def groups(pilot: Pilot[None]) -> list[str]:
    """The lines of groups."""
    return [line for line in lines(pilot) if line[1:2] in "▸▾"]


def shards(pilot: Pilot[None]) -> list[str]:
    """The lines of shards below an unfolded group."""
    return [line for line in lines(pilot) if line[1:3] == "  " and "up  " in line]


async def group_by(pilot: Pilot[None], name: str) -> None:
    await press(pilot, "t", *name, "enter")


@pytest.mark.parametrize("size", [NARROW, WIDE, HUGE])
def test_shards_are_grouped_by_cluster_with_totals_and_replicas_apart(
    size: tuple[int, int],
) -> None:
    source = FleetSource(60)
    for _ in range(3):
        source.poll_all()

    async def steps(pilot: Pilot[None]) -> None:
        await group_by(pilot, "cluster")
        await see(pilot, "(20)")
        assert [line[3:].split(" ")[0] for line in groups(pilot)] == [name for name, _ in CLUSTERS]
        first = groups(pilot)[0]
        assert first.startswith(">▸ prod-ap-southeast-1-cache (20)")
        assert "2 down" in first
        assert "10p 10r" in first
        assert "Enter Unfold" in lines(pilot)[-1]
        if size != NARROW:
            assert " r " in first, "memory of replicas beside that of primaries"
        await press(pilot, "down", "enter")
        assert groups(pilot)[1].startswith(">▾")
        assert "Enter Fold" in lines(pilot)[-1]
        assert all("eu-central" in line for line in shards(pilot))
        await press(pilot, "down")
        assert "Enter Open" in lines(pilot)[-1]
        await press(pilot, "space")
        assert groups(pilot)[1].startswith(">▸")
        assert not shards(pilot)

    show(source, steps, size)


def test_all_groups_are_folded_and_unfolded_and_shards_open_from_there() -> None:
    source = FleetSource(12)
    source.poll_all()

    async def steps(pilot: Pilot[None]) -> None:
        await group_by(pilot, "primary")
        assert len(groups(pilot)) == 6
        await press(pilot, "plus")
        assert len(lines(pilot)) == NARROW[1]
        assert [line[1] for line in groups(pilot)] == ["▾"] * 6
        await press(pilot, "minus")
        assert [line[1] for line in groups(pilot)] == ["▸"] * 6
        await press(pilot, "enter", "down", "enter")
        await see(pilot, "zinfo top  prod-ap-southeast-1-cache-0000")

    show(source, steps)


def test_groups_follow_the_filter_and_the_order() -> None:
    source = FleetSource(60)
    source.poll_all()

    async def steps(pilot: Pilot[None]) -> None:
        await group_by(pilot, "label:site")
        await press(pilot, "slash", *"role=replica", "enter")
        assert "30 of 60 shown" in text(pilot)
        assert all("(10)" in line for line in groups(pilot))
        await press(pilot, "s", *"ops", "enter")
        assert "▼ops" in text(pilot)
        first = groups(pilot)[0]
        await press(pilot, "r")
        assert groups(pilot)[-1][3:] == first[3:]

    show(source, steps, WIDE)


def test_a_click_on_a_group_folds_it() -> None:
    source = FleetSource(12)

    async def steps(pilot: Pilot[None]) -> None:
        await group_by(pilot, "cluster")
        await pilot.click("Table", offset=(3, 0))
        await see(pilot, "▾ prod-ap")
        await pilot.click("Table", offset=(3, 0))
        await see(pilot, "▸ prod-ap")

    show(source, steps)


def test_escape_leaves_the_list_of_groupings_and_changes_nothing() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        assert "primary with its replicas" in await press(pilot, "t")
        assert "Esc Back" in lines(pilot)[-1]
        assert "group by" not in await press(pilot, "escape")
        assert groups(pilot) == []

    show(FleetSource(4), steps)


def test_groups_have_marks_in_ascii_too() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        seen = await press(pilot, "t", *"cluster", "enter", "down", "enter")
        assert ">- prod-eu" in seen
        assert " + prod-us" in seen
        assert seen.isascii()

    show(FleetSource(12), steps, glyphs=PLAIN)
