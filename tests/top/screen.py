"""Runs the terminal view without a terminal, and reads its screen."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

from rich.segment import Segment
from textual.pilot import Pilot

from zinfo.top.glyphs import FANCY, Glyphs
from zinfo.top.source import Source
from zinfo.top.terminal.app import TopApp

Steps: TypeAlias = "Callable[[Pilot[None]], Awaitable[None]]"

WIDE = (120, 36)
NARROW = (80, 24)
PATIENCE = 60.0
"""Seconds in which all happens that is waited for, on a machine with much else to do."""

_AGAIN = 0.02  # seconds between two looks at the screen


def show(
    source: Source,
    steps: Steps,
    size: tuple[int, int] = NARROW,
    *,
    glyphs: Glyphs = FANCY,
    colours: bool = True,
    foot: str = "q Quit",
) -> None:
    """Run the view, and in it what `steps` does once the end of the footer, drawn last, is seen."""

    async def run() -> None:
        app = TopApp(source, glyphs, colours=colours)
        async with app.run_test(size=size) as pilot:
            await see(pilot, foot)
            await pilot.pause()
            await steps(pilot)

    asyncio.run(run())


def segments(pilot: Pilot[None]) -> list[list[Segment]]:
    """What stands on the screen, line by line, after the app's filters."""
    app = pilot.app
    lines = []
    for strip in app.screen._compositor.render_strips(app.size):
        filtered = strip
        for one in app._filters:
            if one.enabled:
                filtered = filtered.apply_filter(one, app.screen.background_colors[1])
        lines.append(list(filtered))
    return lines


def lines(pilot: Pilot[None]) -> list[str]:
    """The text on the screen, line by line."""
    return ["".join(part.text for part in line) for line in segments(pilot)]


def text(pilot: Pilot[None]) -> str:
    """The text on the screen."""
    return "\n".join(lines(pilot))


async def see(pilot: Pilot[None], *wanted: str, timeout: float = PATIENCE) -> str:
    """Wait until all of this stands on the screen, which is not blank; returns its text."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    while not text(pilot).strip() or not all(one in text(pilot) for one in wanted):
        assert loop.time() < deadline, f"{wanted} not seen in {timeout} s:\n{text(pilot)}"
        await asyncio.sleep(_AGAIN)
    return text(pilot)


async def press(pilot: Pilot[None], *keys: str) -> str:
    """Press keys; returns the screen's text after them."""
    await pilot.press(*keys)
    await pilot.pause()
    return text(pilot)
