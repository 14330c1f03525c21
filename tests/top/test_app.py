"""The terminal view over a model that the test makes up."""

from __future__ import annotations

import time

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from tests.promises import Promise
from tests.top.building import delta, event, status
from tests.top.fake import FakeSource
from tests.top.screen import NARROW, WIDE, lines, press, see, segments, show, text
from zinfo.top.glyphs import PLAIN
from zinfo.top.model import SILENT
from zinfo.top.terminal.app import TopApp
from zinfo.top.terminal.fleet_screen import FleetScreen
from zinfo.top.terminal.help_screen import lines as help_lines
from zinfo.top.terminal.shard_screen import ShardScreen

FIRST = "10.0.0.0:6379"


def rows(pilot: Pilot[None]) -> list[str]:
    """The lines of shards that are seen."""
    return [line for line in lines(pilot) if line[1:].startswith("10.0.")]


def ids(pilot: Pilot[None]) -> list[str]:
    """Their ids."""
    return [line[1:].split()[0] for line in rows(pilot)]


@pytest.mark.parametrize("size", [NARROW, WIDE])
def test_all_shards_are_shown_with_sums_states_and_keys(size: tuple[int, int]) -> None:
    source = FakeSource(5)
    source.statuses[FIRST] = status("down", "refused", age=7.0)
    source.poll_all()

    async def steps(pilot: Pilot[None]) -> None:
        # On a busy machine the footer can be seen before the table has its size and its rows.
        title = "zinfo top  tcp://127.0.0.1:9736"
        await see(pilot, "5 shards: 4 up, 1 down", "1-5 of 5", title, "down: refused")
        assert len(rows(pilot)) == 5
        assert "down: refused" in rows(pilot)[0]
        assert {len(line) for line in lines(pilot)} == {size[0]}
        foot = lines(pilot)[-1]
        for key in ("Enter Open", "/ Filter", "t Groups", "? Help", "q Quit"):
            assert key in foot

    show(source, steps, size)


def test_the_columns_stand_below_their_headings() -> None:
    source = FakeSource(3)
    source.poll_all()

    async def steps(pilot: Pilot[None]) -> None:
        heading = next(line for line in lines(pilot) if line.startswith(" shard"))
        screen = pilot.app.screen
        assert isinstance(screen, FleetScreen)
        for column, at, width in screen.layout_of_columns.placed:
            for line in rows(pilot):
                assert line[at - 1] in " >", (column.name, line)
            if not column.series:
                assert heading[at - 1 : at + width].strip(" ▲▼") == column.heading

    show(source, steps, WIDE)


def test_sparklines_of_the_last_minutes_are_in_each_row() -> None:
    source = FakeSource(3)
    for _ in range(400):
        source.poll_all()

    async def steps(pilot: Pilot[None]) -> None:
        for line in rows(pilot):
            assert sum(line.count(bar) for bar in "▁▂▃▄▅▆▇█") >= 6

    show(source, steps, WIDE)


def test_keys_and_clicks_put_rows_in_order() -> None:
    source = FakeSource(20)
    source.poll_all()
    by_ops = sorted(source.model.rows(source.time), key=lambda row: -(row.ops or 0))
    greatest = [row.shard for row in by_ops]

    async def steps(pilot: Pilot[None]) -> None:
        assert ids(pilot)[:3] == ["10.0.0.0:6379", "10.0.0.1:6379", "10.0.0.2:6379"]
        assert "▼ops/s" in await press(pilot, *[">"] * 3)
        assert ids(pilot) == greatest
        assert "▲ops/s" in await press(pilot, "r")
        assert ids(pilot) == greatest[::-1]
        await pilot.click("Heading", offset=(3, 0))
        await pilot.pause()
        assert ids(pilot)[0] == FIRST
        await pilot.click("Heading", offset=(3, 0))
        await pilot.pause()
        assert ids(pilot)[0] == "10.0.0.19:6379"
        assert "▼age" in await press(pilot, "<")

    show(source, steps, WIDE)


def test_the_cursor_stays_on_its_shard_when_rows_move() -> None:
    source = FakeSource(10)
    source.poll_all()

    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "down", "down", "j")
        (chosen,) = [line for line in rows(pilot) if line.startswith(">")]
        assert chosen.startswith(">10.0.0.3:6379")
        await press(pilot, "r")
        assert [line.split()[0] for line in rows(pilot) if line.startswith(">")] == [
            ">10.0.0.3:6379"
        ]
        assert ids(pilot)[0] == "10.0.0.9:6379"

    show(source, steps)


def test_a_click_chooses_a_shard_and_the_next_one_opens_it() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await pilot.click("Table", offset=(5, 2))
        await pilot.pause()
        assert rows(pilot)[2].startswith(">10.0.0.2:6379")
        await pilot.click("Table", offset=(5, 9))  # below the last one
        await pilot.pause()
        assert rows(pilot)[2].startswith(">10.0.0.2:6379")
        await pilot.click("Table", offset=(5, 2))
        await see(pilot, "zinfo top  10.0.0.2:6379")

    show(FakeSource(4), steps)


def test_all_keys_that_move_do_so() -> None:
    async def chosen(pilot: Pilot[None], *keys: str) -> str:
        await press(pilot, *keys)
        (line,) = [line for line in rows(pilot) if line.startswith(">")]
        return line[1:].partition(":")[0]

    async def steps(pilot: Pilot[None]) -> None:
        assert await chosen(pilot, "end") == "10.0.0.99"
        assert await chosen(pilot, "up", "k") == "10.0.0.97"
        assert await chosen(pilot, "home", "down") == "10.0.0.1"
        assert await chosen(pilot, "space") == "10.0.0.20"
        assert await chosen(pilot, "pageup") == "10.0.0.1"
        assert await chosen(pilot, "G", "g") == "10.0.0.0"
        await press(pilot, "enter", "down", "j")
        page = pilot.app.screen
        assert isinstance(page, ShardScreen)
        assert page.page.cursor == 2
        await press(pilot, "end", "up", "k")
        assert page.page.cursor == page.page.count - 3
        await press(pilot, "home", "question_mark")
        first = lines(pilot)[0]
        assert first not in await press(pilot, "down")
        assert first in await press(pilot, "up")
        assert first not in await press(pilot, "pagedown")
        assert first in await press(pilot, "pageup")

    show(FakeSource(100), steps)


def test_a_filter_shows_matching_shards_and_the_total_number() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "slash", *"site=ams")
        assert ids(pilot) == [f"10.0.0.{number}:6379" for number in range(0, 10, 2)]
        seen = await press(pilot, "enter")
        assert "/ site=ams" in seen
        assert "5 of 10 shown" in seen
        await press(pilot, "down", "escape")
        assert len(ids(pilot)) == 10
        assert "/ site=ams" not in text(pilot)

    show(FakeSource(10), steps)


def test_an_invalid_filter_shows_an_error_and_the_former_one_stays() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "slash", *"site=ams")
        assert "! needs a word to negate" in await press(pilot, *" !")
        assert len(ids(pilot)) == 5
        assert "! needs a word" not in await press(pilot, *"down", "enter")
        assert len(ids(pilot)) == 5

    show(FakeSource(10), steps, WIDE)


def test_keys_are_text_while_a_filter_is_typed() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "slash", "q", "e", "question_mark")
        assert pilot.app.screen.query_one(Input).value == "qe?"
        assert pilot.app.is_running

    show(FakeSource(2), steps)


def test_the_page_of_a_removed_shard_says_that_it_is_no_longer_watched() -> None:
    source = FakeSource(2)

    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "enter")
        del source.statuses[FIRST]
        source.set_statuses()
        await see(pilot, "This shard is no longer watched.")
        await press(pilot, "escape")
        assert ids(pilot) == ["10.0.0.1:6379"]

    show(source, steps)


def test_the_events_pane_comes_and_goes_and_follows_the_newest() -> None:
    source = FakeSource(2)
    source.model.add_events(event(number, shard=FIRST) for number in range(1, 60))

    async def steps(pilot: Pilot[None]) -> None:
        assert "events" not in text(pilot)
        await press(pilot, "e")
        await see(pilot, "events (53-59 of 59)")
        source.model.add_events([event(60, "down", shard="10.0.0.1:6379")])
        await see(pilot, "events (54-60 of 60)", "down (was new)")
        seen = await press(pilot, "tab", "pageup", "pageup")
        assert "down (was new)" not in seen
        source.model.add_events([event(61, "loading", shard=FIRST)])
        await see(pilot, "of 61)")
        assert "loading (was new)" not in text(pilot)
        assert "events" not in await press(pilot, "e")
        await press(pilot, "home", "enter", "e")
        await see(pilot, "events (54-60 of 60)")  # of that shard alone

    show(source, steps)


def test_long_ids_in_the_events_keep_what_distinguishes_them() -> None:
    source = FakeSource(2)
    ids = [f"prod-ap-southeast-1-cache-{number:04d}.example.net:6379" for number in (17, 18)]
    source.model.add_events(event(number, shard=one) for number, one in enumerate(ids, 1))

    async def steps(pilot: Pilot[None]) -> None:
        seen = await press(pilot, "e")
        assert "0017" in seen
        assert "0018" in seen

    show(source, steps)


def test_a_stale_feed_is_shown_in_a_line_and_every_row_is_stale() -> None:
    source = FakeSource(3)
    source.poll_all()

    async def steps(pilot: Pilot[None]) -> None:
        assert "STALE" not in text(pilot)
        source.time += 2
        source.set_statuses(fresh=False, problem="no heartbeat for 3 s")
        await see(pilot, "STALE for 2.0s: no heartbeat for 3 s")
        assert all(" stale " in row for row in rows(pilot))
        await press(pilot, "enter")
        await see(pilot, "STALE for 2.0s: no heartbeat for 3 s")
        await press(pilot, "escape")
        source.set_statuses()
        await see(pilot, "3 shards: 3 up")

    show(source, steps)


def test_a_feed_that_stops_reporting_is_shown_as_stale() -> None:
    source = FakeSource(3)

    async def steps(pilot: Pilot[None]) -> None:
        source.time += SILENT + 1
        await see(pilot, "STALE for 6.0s: nothing was read from the daemon in time")
        assert all(" stale " in row for row in rows(pilot))

    show(source, steps)


def test_before_the_first_report_the_screen_says_that_it_waits() -> None:
    source = FakeSource(0)
    source.model = type(source.model)()

    async def steps(pilot: Pilot[None]) -> None:
        assert "Waiting for tcp://127.0.0.1:9736" in text(pilot)
        source.set_statuses(fresh=False, problem="no answer to hello")
        await see(pilot, "Waiting for tcp://127.0.0.1:9736: no answer to hello")

    show(source, steps)


def test_the_help_explains_keys_states_numbers_and_the_filter_and_goes_away() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        seen = await press(pilot, "question_mark")
        assert "Keys" in seen
        assert "site=fra" not in seen
        for _ in range(5):
            seen += await press(pilot, "pagedown")
        for words in ("States", "shard answers INFO", "Numbers", "Filter", "label site is fra"):
            assert words in seen
        await press(pilot, "q")
        assert len(rows(pilot)) == 2

    show(FakeSource(2), steps)


def test_the_help_fits_a_narrow_screen() -> None:
    for parts in help_lines():
        assert sum(len(part) for part, _ in parts) <= NARROW[0], parts


@pytest.mark.parametrize("key", ["q", "ctrl+c", "ctrl+q"])
def test_quitting_ends_it_in_order(key: str) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await pilot.press(key)
        assert pilot.app.return_code == 0

    show(FakeSource(2), steps)


def test_without_colours_nothing_is_missing() -> None:
    source = FakeSource(3)
    source.statuses[FIRST] = status("down", "refused", age=7.0)
    source.poll_all()

    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "e")
        coloured = [
            part
            for line in segments(pilot)
            for part in line
            for colour in (part.style and part.style.color, part.style and part.style.bgcolor)
            if colour and not colour.is_default
        ]
        assert coloured == []
        assert "down: refused" in rows(pilot)[0]
        assert rows(pilot)[0].startswith(">")  # the cursor is seen without reverse, too

    show(source, steps, colours=False)


def test_with_colours_there_are_some() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        names = {
            part.style.color.name
            for line in segments(pilot)
            for part in line
            if part.style and part.style.color
        }
        assert {"green", "cyan"} <= names

    show(FakeSource(3), steps)


def test_where_only_ascii_can_be_shown_nothing_else_is() -> None:
    source = FakeSource(30)
    source.poll_all()

    async def steps(pilot: Pilot[None]) -> None:
        seen = text(pilot) + await press(pilot, "e") + await press(pilot, "enter")
        seen += await press(pilot, "question_mark")
        assert seen.isascii()

    show(source, steps, glyphs=PLAIN)


def test_text_from_a_server_cannot_control_the_terminal() -> None:
    source = FakeSource(1)
    source.poll_all()
    bad = "\x1b[2J\x07"
    source.statuses[FIRST] = status(labels={bad: bad})
    source.model.apply(
        delta(3, source.time, {"role": bad, bad: bad, "redis_version": bad}, shard=FIRST),
        source.time,
    )
    source.set_statuses()
    source.model.add_events([event(1, bad, shard=bad)])

    async def steps(pilot: Pilot[None]) -> None:
        seen = await press(pilot, "e")
        seen += await press(pilot, "enter")
        seen += await press(pilot, "slash", *"2J")
        assert r"\x1b[2J" in seen
        assert "\x1b" not in seen
        assert "\x07" not in seen

    show(source, steps)


def test_a_tiny_screen_breaks_nothing() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "e", "down", "enter", "pagedown", "escape", "question_mark", "escape")
        await pilot.resize_terminal(120, 36)
        await see(pilot, "3 shards: 3 up")
        await pilot.resize_terminal(3, 2)
        await pilot.pause()

    show(FakeSource(3), steps, (12, 4), foot="")


def test_ten_times_as_many_shards_take_at_most_ten_times_as_long(promise: Promise) -> None:
    few, many = (costs_with(count) for count in (100, 1000))
    promise(
        "1000 shards in zinfo top, compared with 100",
        "a refresh takes ten times as long, a page no longer",
        f"{few[0] * 1000:.0f} and {many[0] * 1000:.0f} ms of a core for a refresh, "
        f"{few[1] * 1000:.0f} and {many[1] * 1000:.0f} ms for a page",
    )
    assert many[0] < 10 * few[0]
    assert many[1] < 3 * few[1], "only what is on the screen is drawn"


def costs_with(count: int) -> tuple[float, float]:
    """The seconds of a core that a refresh and a page take with so many shards, at best."""
    source = FakeSource(count)
    source.poll_all()
    refreshes, pages = [], []

    async def steps(pilot: Pilot[None]) -> None:
        app = pilot.app
        assert isinstance(app, TopApp)
        for _ in range(6):
            source.poll_all()
            began = time.process_time()
            app.redraw()
            await pilot.pause()
            refreshes.append(time.process_time() - began)
        await press(pilot, "home")
        for _ in range(3):
            began = time.process_time()
            await press(pilot, "pagedown")
            pages.append(time.process_time() - began)
        await press(pilot, "end")
        assert ids(pilot)[-1] == f"10.0.{(count - 1) // 250}.{(count - 1) % 250}:6379"
        assert f"of {count}" in text(pilot)

    show(source, steps, WIDE)
    return min(refreshes), min(pages)
