"""The filter of the terminal view: any field, mistakes, completion, and filters used before."""

from __future__ import annotations

from textual.pilot import Pilot
from textual.widgets import Input

from tests.top.fleet import FleetSource
from tests.top.screen import WIDE, lines, press, see, show, text


def test_totals_and_the_number_shown_follow_the_filter() -> None:
    source = FleetSource(60)
    source.poll_all()

    async def steps(pilot: Pilot[None]) -> None:
        assert "60 shards: " in text(pilot)
        await press(pilot, "slash", *"role=replica used_memory>1G")
        line = next(one for one in lines(pilot) if one.startswith("/ "))
        count = int(line.partition(" of 60 shown")[0].split()[-1])
        assert 0 < count < 30
        assert f"{count} shards: {count} up" in text(pilot)
        assert "replicas" in text(pilot)
        assert {"used_memory"} <= source.wanted_fields["table"]
        await press(pilot, "escape")
        assert "60 shards: " in text(pilot)
        assert "of 60 shown" not in text(pilot)

    show(source, steps, WIDE)


def test_a_filter_that_matches_nothing_says_so() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        seen = await press(pilot, "slash", *"used_memory>9T", "enter")
        assert "0 of 6 shown" in seen
        assert "no shard matches; Esc shows all" in seen
        assert "Esc Show all" in lines(pilot)[-1]

    show(FleetSource(6), steps, WIDE)


def test_a_misspelt_name_gets_a_suggestion() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "slash", *"label:sit=fra")
        await see(pilot, "no shard has a label sit, did you mean site?")
        assert "did you mean" not in await press(pilot, "escape")

    show(FleetSource(6), steps)


def test_tab_completes_names_and_lists_what_is_possible() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "slash", *"used_memory_peak_p", "tab")
        assert pilot.app.screen.query_one(Input).value == "used_memory_peak_perc"
        await press(pilot, *" !site=eu", "tab")
        assert pilot.app.screen.query_one(Input).value.endswith(" !site=eu-central-1")
        await press(pilot, *" maxmem", "tab")
        await see(pilot, "maxmemory_human  maxmemory_policy")
        foot = lines(pilot)[-1]
        assert foot.startswith("Enter Apply  Tab Complete  ")
        assert "q Quit" not in foot, "it is a letter now"
        assert "/ Filter" not in foot

    show(FleetSource(6), steps, WIDE)


def test_up_brings_back_the_filters_used_before() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        for word in ("abc", "def"):
            await press(pilot, "slash", *word, "enter", "escape")
        await press(pilot, "slash", "up")
        assert pilot.app.screen.query_one(Input).value == "def"
        await press(pilot, "up", "up")
        assert pilot.app.screen.query_one(Input).value == "abc"
        await press(pilot, "down", "down")
        assert pilot.app.screen.query_one(Input).value == ""

    show(FleetSource(6), steps)
