"""The last line of a screen: the keys that have an effect, as many as fit."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from tests.top.fake import FakeSource
from tests.top.screen import NARROW, lines, press, see, show, text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_the_last_line_is_never_cut_and_ends_with_help_and_quit(width: int) -> None:
    async def steps(pilot: Pilot[None]) -> None:
        foot = lines(pilot)[-1].rstrip()
        assert foot.startswith("Enter Open  / Filter")
        assert foot.endswith("? Help  q Quit")
        assert len(foot) <= width

    show(FakeSource(2), steps, (width, 24))


def test_a_click_on_a_key_of_the_last_line_presses_it() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        at = lines(pilot)[-1].index("? Help")
        await pilot.click("Footer", offset=(at + 3, 0))
        await see(pilot, "Keys")
        assert "Filter" not in lines(pilot)[-1]
        await press(pilot, "escape")
        assert "shards" in text(pilot)

    show(FakeSource(2), steps, NARROW)


def test_the_footer_of_the_help_has_each_key_once() -> None:
    async def steps(pilot: Pilot[None]) -> None:
        await press(pilot, "question_mark")
        assert lines(pilot)[-1].count("Esc Back") == 1

    show(FakeSource(1), steps)
