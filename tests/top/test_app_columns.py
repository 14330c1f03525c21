"""The columns of the terminal view: chosen, ordered, scrolled, and sorted by."""

from __future__ import annotations

from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.top.fleet import FleetSource
from tests.top.screen import NARROW, WIDE, lines, press, show, text


def headings(pilot: Pilot[None]) -> str:
    """The line of headings."""
    return next(line for line in lines(pilot) if line[1:].startswith("shard"))


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_a_field_becomes_a_column_and_moves(size: tuple[int, int]) -> None:
    source = FleetSource(6)

    async def steps(pilot: Pilot[None]) -> None:
        assert "used_memory_rss" not in headings(pilot)
        await press(pilot, "c", "slash", *"used_memory_rss", "enter")
        assert "[ ] used_memory_rss" in text(pilot)
        assert "[x] used_memory_rss" in await press(pilot, "space")
        assert "[used_memory_rss]" in await press(pilot, *["left"] * 20)
        await press(pilot, "enter")
        assert headings(pilot).split()[1] == "used_memory_rss"
        assert "used_memory_rss" in source.wanted_fields["table"]

    show(source, steps, size)


def test_a_column_is_hidden_and_the_id_stays() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "c", "space", *["slash", *"role"], "enter", "space", "enter")
        assert "role" not in headings(pilot)
        assert headings(pilot).split()[0] == "shard▲"

    show(FleetSource(6), steps, WIDE)


def test_escape_keeps_the_columns() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        before = headings(pilot)
        await press(pilot, "c", "down", "space", "escape")
        assert headings(pilot) == before

    show(FleetSource(6), steps, WIDE)


def test_columns_that_do_not_fit_are_scrolled_to() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        assert headings(pilot)[-1] == "▸"
        assert "age" not in headings(pilot)
        await press(pilot, *["right"] * 30)
        assert "age" in headings(pilot)
        assert "◂" in headings(pilot)
        assert headings(pilot)[-1] != "▸"
        assert headings(pilot).startswith(" shard")
        await press(pilot, *["left"] * 30)
        assert "state" in headings(pilot)

    show(FleetSource(6), steps, NARROW)


def test_rows_are_sorted_by_any_field_which_is_then_shown() -> None:
    source = FleetSource(30)
    source.poll_all()

    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "s", *"master_replid", "enter")
        assert "▼" in headings(pilot) or "▲" in headings(pilot)
        assert headings(pilot).split()[1].strip("▲▼").startswith("master_r")
        await press(pilot, "s", *"age", "enter")
        assert "age" in headings(pilot), "the column is scrolled to"
        assert "master_r" not in headings(pilot)

    show(source, steps, NARROW)


def test_each_line_is_as_wide_as_the_screen_at_any_size() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        for width in (250, 121, 80, 40, 20):
            await pilot.resize_terminal(width, 24)
            await pilot.pause()
            pilot.app.screen.redraw()  # type: ignore[attr-defined]  # of BaseScreen
            await pilot.pause()
            assert {len(line) for line in lines(pilot)} == {width}

    show(FleetSource(6), steps, (250, 24))


def test_columns_are_saved_as_a_set_and_chosen_by_its_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))

    async def steps(pilot: Pilot[None]) -> None:
        seen = await press(pilot, "c")
        assert "1 default  2 memory  3 replication" in seen
        await press(pilot, "3", "s", *"mine", "enter")
        assert "mine" in (tmp_path / "zinfo" / "top.toml").read_text()
        await press(pilot, "s", *"memory", "enter")
        assert "is a set of zinfo" in text(pilot)
        await press(pilot, "enter")
        assert "link" in headings(pilot)
        assert "ops/s" not in headings(pilot)

    show(FleetSource(6), steps, WIDE)
