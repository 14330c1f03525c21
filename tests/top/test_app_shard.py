"""The page of a shard, and two shards side by side, in the terminal."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot
from textual.widget import Widget
from textual.widgets import Input

from tests.top.building import event, status, whole
from tests.top.fake import INFO, FakeSource
from tests.top.screen import NARROW, WIDE, lines, press, see, show, text
from zinfo.top.glyphs import PLAIN
from zinfo.top.terminal.columns_screen import ColumnsScreen
from zinfo.top.terminal.compare_screen import CompareScreen
from zinfo.top.terminal.fleet_screen import FleetScreen
from zinfo.top.terminal.help_screen import lines as help_lines
from zinfo.top.terminal.page_view import PageView
from zinfo.top.terminal.shard_screen import ShardScreen
from zinfo.top.terminal.table import Table

FIRST, SECOND = "10.0.0.0:6379", "10.0.0.1:6379"
BROAD = (250, 60)


def a_source(count: int = 3) -> FakeSource:
    """Shards that have been polled for a while."""
    source = FakeSource(count)
    names = list(INFO)
    source.model.set_sections(FIRST, {"Server": names[:40], "Stats": names[40:]})
    for _ in range(60):
        source.poll_all()
    return source


def line_of(pilot: Pilot[None], label: str) -> str:
    """The first line that begins with a label; in the first lines are state and plots."""
    found = [line for line in lines(pilot)[5:] if line[2:].startswith(f"{label} ")]
    assert found, (label, text(pilot))
    return found[0]


@pytest.mark.parametrize("size", [NARROW, WIDE, BROAD])
def test_the_page_has_state_plots_with_axes_and_parts(size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        seen = await press(pilot, "enter")
        assert f"zinfo top  {FIRST}" in seen
        assert "up  primary 7.0.15  interval 0.5s" in seen
        assert "site=ams" in seen
        for words in ("ops/s ", "memory ", "now", "per s", "changed", "# Memory"):
            assert words in seen
        assert "512M" in line_of(pilot, "limit")
        assert {len(line) for line in lines(pilot)} == {size[0]}

    show(a_source(), steps, size)


def test_a_change_is_marked_and_a_counter_has_its_rate() -> None:
    source = a_source()

    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "enter")
        assert line_of(pilot, "used").startswith("* ")
        await press(pilot, "slash", *"keyspace_hits")
        (hits,) = [line for line in lines(pilot) if line.startswith("* keyspace_hits")]
        assert hits.split()[-2:] == ["2.00", "0.0s"]  # one in each half second
        source.time += 5
        source.set_statuses()
        await see(pilot, "  keyspace_hits")

    show(source, steps)


def test_each_field_is_on_the_page() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "enter")
        page = pilot.app.screen
        assert isinstance(page, ShardScreen)
        for name, value in INFO.items():
            if isinstance(value, dict):  # in a table, by what follows the prefix
                continue
            page.on_filter_bar_typed(page.bar.Typed(name))
            assert page.page.found >= 1, name

    show(a_source(1), steps)


def test_the_search_says_how_much_it_found_and_escape_shows_all() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "enter")
        seen = await press(pilot, "slash", *"lru_clock")
        assert "1 found" in seen
        assert "policy" not in seen
        assert "policy" in await press(pilot, "escape")
        assert FIRST in lines(pilot)[0]  # it is still the shard's page

    show(a_source(), steps)


def test_commands_are_a_table_that_is_sorted_by_any_column() -> None:
    def shown(pilot: Pilot[None]) -> list[str]:
        found = [line.split() for line in lines(pilot)]
        first = next(at for at, one in enumerate(found) if one[:2] == ["#", "Commands"])
        return [one[0] for one in found[first + 2 :] if len(one) == 10 and one[0] != "calls/s"]

    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "enter")
        page = pilot.app.screen
        assert isinstance(page, ShardScreen)
        while page.page.section != "Commands":
            await press(pilot, "right")
        await press(pilot, "s", *"command", "enter")
        names = shown(pilot)
        assert len(names) > 1
        assert names == sorted(names)
        await press(pilot, "s", *"command", "enter")
        assert "command▼" in text(pilot)

    show(a_source(1), steps, (120, 50))


def test_exact_values_are_shown_on_demand() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "enter")
        assert "512M" in line_of(pilot, "limit")
        await press(pilot, "x")
        assert "536,870,912" in line_of(pilot, "limit")

    show(a_source(), steps)


def test_links_lead_to_the_primary() -> None:
    source = a_source()
    replica = {**INFO, "role": "slave", "master_host": "10.0.0.1", "master_port": 6379}
    source.model.apply(whole(500, source.time, replica, shard=FIRST), source.time)

    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "enter", "slash", *"primary 10", "enter")
        await see(pilot, f"> primary  {SECOND}")
        await press(pilot, "down", "enter")
        await see(pilot, f"zinfo top  {SECOND}")

    show(source, steps)


def test_a_shard_that_is_down_says_why_and_its_numbers_are_those_of_its_newest_info() -> None:
    source = a_source()
    source.statuses[FIRST] = status("down", "refused", age=7.0)._replace(
        error="connection refused: check that the server runs there", since=source.time - 240
    )
    source.set_statuses()

    async def steps(pilot: Pilot[None]) -> None:
        seen = await press(pilot, "enter")
        assert "down: refused for 4m" in seen
        assert "connection refused: check that the server runs there" in seen
        assert "ops/s -" in seen
        assert "977K" in line_of(pilot, "used")

    show(source, steps)


def test_a_stale_page_says_so_and_keeps_its_numbers() -> None:
    source = a_source()

    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "enter")
        source.time += 4
        source.set_statuses(fresh=False, problem="no reply within 2 s")
        seen = await see(pilot, "stale (was up)", "STALE for", "no reply within 2 s")
        assert "977K" in seen

    show(source, steps)


def test_the_cursor_of_the_plots_shows_a_value_and_its_time() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "enter", "h")
        assert " now" in lines(pilot)[4]
        await press(pilot, *"hhhhhh")
        assert "s ago" in lines(pilot)[4]
        await press(pilot, "escape")
        assert "s ago" not in lines(pilot)[4]
        assert FIRST in lines(pilot)[0]

    show(a_source(), steps)


def test_more_plots_are_shown_by_a_key() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        seen = await press(pilot, "enter")
        assert "clients" not in lines(pilot)[4]
        assert "v Plots" in seen or "?" in seen
        await press(pilot, "v")
        assert "clients" in lines(pilot)[4]

    show(a_source(), steps)


def test_brackets_lead_to_the_next_and_the_previous_shard_of_the_table() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "enter", "right_square_bracket")
        await see(pilot, f"zinfo top  {SECOND}")
        await press(pilot, "left_square_bracket", "left_square_bracket")
        await see(pilot, "zinfo top  10.0.0.2:6379")

    show(a_source(), steps)


def test_events_are_beside_the_page_where_there_is_room() -> None:
    source = a_source()
    source.model.add_events(event(number, shard=FIRST) for number in range(1, 4))

    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "enter")
        (line,) = [
            line for line in lines(pilot) if line[2:].startswith("limit ") and "512M" in line
        ]
        assert "up (was new)" in text(pilot)
        assert line.index("512M") < next(
            one.index("up (was new)") for one in lines(pilot) if "up (was new)" in one
        )

    show(source, steps, BROAD)


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_two_shards_stand_side_by_side_with_differences_marked(size: tuple[int, int]) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "enter", "equals_sign", *SECOND, "enter")
        await see(pilot, f"A {FIRST}"[:12], f"B  {SECOND}")
        used = line_of(pilot, "used")
        assert used.startswith("! ")
        assert len(used.split()) == 4
        assert line_of(pilot, "limit").split() == ["limit", "512M", "512M"]
        assert {len(line) for line in lines(pilot)} == {size[0]}
        await press(pilot, "d")
        await see(pilot, "! used")
        assert not any(line[2:].startswith("limit ") for line in lines(pilot))
        await press(pilot, "escape")
        await see(pilot, "per s")

    show(a_source(), steps, size)


def test_in_ascii_the_page_has_nothing_else() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        assert (await press(pilot, "enter")).isascii()
        assert (await press(pilot, "h")).isascii()

    show(a_source(), steps, glyphs=PLAIN, colours=False)


def test_the_help_names_every_key_of_the_footers() -> None:
    """A key that is added to a screen has to be added to the help."""
    shown = [" ".join(part for part, _ in parts).split() for parts in help_lines()]
    words = {word for line in shown for word in line}
    classes = (FleetScreen, Table, ShardScreen, PageView, CompareScreen)
    for one in classes:
        assert ColumnsScreen not in one.__mro__
        for binding in one.BINDINGS:
            if not isinstance(binding, tuple) and binding.show:
                for key in (binding.key_display or binding.key).split():
                    assert key in words, (one.__name__, key)


def test_the_hidden_search_never_has_the_focus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is pressed while the page opens would be typed into it."""
    focused: list[Widget | None] = []
    set_focus = ShardScreen.set_focus

    def noted(screen: ShardScreen, widget: Widget | None, *args: bool, **more: bool) -> None:
        focused.append(widget)
        set_focus(screen, widget, *args, **more)

    monkeypatch.setattr(ShardScreen, "set_focus", noted)

    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "enter")
        assert any(isinstance(one, PageView) for one in focused)
        assert not any(isinstance(one, Input) for one in focused)

    show(a_source(), steps)
