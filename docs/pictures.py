#!/usr/bin/env python3
"""Creates the screenshots of both views, in the terminal and in the browser.

    python docs/pictures.py                # those in docs/images
    python docs/pictures.py --all FOLDER   # all of them, at several sizes, as PNG files
    python docs/pictures.py --all FOLDER --only phone

The views and the models are the real ones. The fleet is made up, so that there are 500 shards in
three clusters, and each picture can be made again: `tests.top.fleet` for the terminal, and
`tests.adapters.page.fleet_server` for the browser. It needs `.[tui]`, Chromium and playwright.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # for the fleets of the tests

from tests.adapters.page.fleet_server import FleetServer  # noqa: E402  # after sys.path
from tests.top.fleet import FleetSource  # noqa: E402  # as above
from tests.top.screen import see  # noqa: E402  # as above
from zinfo.top.glyphs import FANCY, PLAIN, Glyphs  # noqa: E402  # as above
from zinfo.top.terminal.app import TopApp  # noqa: E402  # as above

if TYPE_CHECKING:
    from playwright.async_api import Browser, Page

IMAGES = ROOT / "docs" / "images"
SHARDS = 500
POLLS = 180  # of the terminal's fleet before a picture: the plots are full
PATIENCE = 60.0
"""Timeout in seconds of each wait."""

SMALL, MIDDLE, LARGE = (80, 24), (120, 36), (250, 60)
FULL_HD, LAPTOP, PHONE = (1920, 1080), (1280, 800), (390, 844)

_FOREIGN = re.compile(r"@font-face\s*{.*?}\s*|<!--.*?-->\s*", re.DOTALL)


@dataclass(frozen=True)
class InTerminal:
    """A picture of the terminal.

    Attributes:
        name: of the file.
        size: columns and lines.
        keys: pressed before; an item of several letters that is no key of textual is typed.
        shown: waited for.
        stored: whether docs/images has it, as SVG; "png" as PNG.
        stale: whether the daemon does not reply any more.
        colours: whether colours are used.
        glyphs: characters to draw with.
    """

    name: str
    size: tuple[int, int]
    keys: Sequence[str] = ()
    shown: str = "shard"
    stored: bool | str = False
    stale: bool = False
    colours: bool = True
    glyphs: Glyphs = FANCY


@dataclass(frozen=True)
class InBrowser:
    """A picture of the page.

    Attributes:
        name: of the file.
        size: width and height in CSS pixels.
        address: the part of the URL from `#`; ID and OTHER stand for ids of shards.
        shown: selector of what is waited for.
        stored: whether docs/images has it.
        stale: whether the daemon does not reply any more.
        dark: whether the browser asks for dark colours.
    """

    name: str
    size: tuple[int, int]
    address: str = ""
    shown: str = ".row.shard"
    stored: bool = False
    stale: bool = False
    dark: bool = False


_OPEN = ("slash", "sessions-0100.", "enter", "enter")
_BY_CLUSTER = ("t", "cluster", "enter")

TERMINAL = (
    *(
        picture
        for label, size in (("80", SMALL), ("120", MIDDLE), ("250", LARGE))
        for picture in (
            InTerminal(f"table-{label}", size),
            InTerminal(f"down-{label}", size, ("s", "state", "enter"), "down"),
            InTerminal(f"groups-{label}", size, (*_BY_CLUSTER, "enter"), "(167)"),
            InTerminal(f"problems-{label}", size, ("p",), "critical"),
            InTerminal(f"shard-{label}", size, _OPEN, "zinfo top  prod"),
            InTerminal(f"stale-{label}", size, shown="STALE", stale=True),
            InTerminal(f"events-{label}", size, ("e",), "refused"),
            InTerminal(f"columns-{label}", size, ("c",), "columns"),
            InTerminal(f"help-{label}", size, ("question_mark",), "Esc"),
        )
    ),
    InTerminal("plain-80", SMALL, colours=False, glyphs=PLAIN),
    InTerminal("plain-shard-120", MIDDLE, _OPEN, "prod", colours=False, glyphs=PLAIN),
    InTerminal("top-readme", (120, 26), (*_BY_CLUSTER, "enter", "e"), "(167)", "png"),
    InTerminal("top-table", (120, 20), ("s", "ops", "enter"), "ops", stored=True),
    InTerminal("top-shard", (120, 36), _OPEN, "zinfo top  prod", stored=True),
    InTerminal("top-problems", (120, 20), ("p",), "critical", stored=True),
    InTerminal("top-groups", (120, 16), (*_BY_CLUSTER, "enter"), "(167)", stored=True),
    InTerminal("top-events", (120, 20), ("e",), "restarted", stored=True),
    InTerminal("top-narrow", SMALL, ("slash", "role=replica full>80%", "enter"), "of", stored=True),
)

BROWSER = (
    *(
        picture
        for dark in (False, True)
        for label, size in (("1920", FULL_HD), ("1280", LAPTOP), ("phone", PHONE))
        for picture in (
            InBrowser(f"table-{label}", size, "#sort=ops", dark=dark),
            InBrowser(f"down-{label}", size, "#sort=state", ".row.down", dark=dark),
            InBrowser(f"groups-{label}", size, "#group=cluster", ".row.group", dark=dark),
            InBrowser(f"problems-{label}", size, "#view=problems", ".row", dark=dark),
            InBrowser(f"events-{label}", size, "#view=events", "#main", dark=dark),
            InBrowser(f"shard-{label}", size, "#shard=ID", ".parts h2, .parts h3", dark=dark),
            InBrowser(f"two-{label}", size, "#shard=ID&with=OTHER", ".parts", dark=dark),
            InBrowser(f"shard-down-{label}", size, "#shard=DOWN", ".parts", dark=dark),
            InBrowser(f"stale-{label}", size, "#sort=ops", stale=True, dark=dark),
        )
    ),
    InBrowser("web-table", (1200, 480), "#sort=ops&group=", stored=True),
    InBrowser(
        "web-shard", (1200, 720), "#shard=ID", ".parts h2, .parts h3", stored=True, dark=True
    ),
)


def main() -> None:
    """Take the pictures that the options name."""
    parser = argparse.ArgumentParser(description="create the screenshots of the views")
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="write all of them here")
    parser.add_argument("--only", default="", metavar="TEXT", help="those with this in the name")
    options = parser.parse_args()
    asyncio.run(_take(options.all, options.only))


async def _take(folder: Path | None, only: str) -> None:
    from playwright.async_api import async_playwright  # noqa: PLC0415  # --help works without it

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        if folder:
            folder.mkdir(parents=True, exist_ok=True)
        in_terminal = [
            one for one in TERMINAL if (folder or one.stored) and only in f"terminal-{one.name}"
        ]
        in_browser = [
            one for one in BROWSER if (folder or one.stored) and only in f"browser-{one.name}"
        ]
        await _take_in_terminal(in_terminal, folder, browser)
        await _take_in_browser(in_browser, folder, browser)


# --- the terminal


async def _take_in_terminal(
    pictures: Sequence[InTerminal], folder: Path | None, browser: Browser
) -> None:
    if not pictures:
        return
    source = FleetSource(SHARDS)
    for _ in range(POLLS):
        source.poll_all()
    source.break_more()
    for picture in sorted(pictures, key=lambda one: one.stale):  # stale is for good
        if picture.stale:
            source.time += 12
            source.set_statuses(fresh=False, problem="no reply from tcp://127.0.0.1:9736")
        svg = await _svg(source, picture)
        if folder:
            await _draw(browser, svg, folder / f"terminal-{picture.name}.png")
        elif picture.stored == "png":
            await _draw(browser, svg, IMAGES / f"{picture.name}.png")
        else:
            (IMAGES / f"{picture.name}.svg").write_text(_without_fonts(svg), encoding="utf-8")


async def _svg(source: FleetSource, picture: InTerminal) -> str:
    """Press the keys, and return a screenshot as soon as it contains what it should."""
    app = TopApp(source, picture.glyphs, colours=picture.colours)
    async with app.run_test(size=picture.size) as pilot:
        await pilot.pause()
        for key in picture.keys:
            for one in [key] if key in _KEYS else key:
                await pilot.press(_NAMES.get(one, one))
            await pilot.pause()  # until they have been processed
        await see(pilot, picture.shown)
        return app.export_screenshot(title="zinfo top")


_KEYS = ("slash", "enter", "escape", "down", "right", "question_mark")
_NAMES = {" ": "space"}


def _without_fonts(svg: str) -> str:
    """Images in a page cannot load fonts, so the font of the reader is used."""
    return (
        _FOREIGN.sub("", svg)
        .replace("Fira Code, monospace", "monospace")
        .replace("Fira Code", "monospace")
    )


async def _draw(browser: Browser, svg: str, path: Path) -> None:
    """Draw an SVG as a PNG with transparent corners."""
    svg = _FOREIGN.sub("", svg).replace("Fira Code", "DejaVu Sans Mono")
    page = await browser.new_page(viewport={"width": 1640, "height": 1000}, device_scale_factor=1)
    await page.set_content(f"<style>body {{ margin: 0 }} svg {{ display: block }}</style>{svg}")
    await page.locator("svg").screenshot(path=path, omit_background=True)
    await page.close()


# --- the browser


async def _take_in_browser(
    pictures: Sequence[InBrowser], folder: Path | None, browser: Browser
) -> None:
    if not pictures:
        return
    with FleetServer(SHARDS) as fleet:
        fleet.break_some()
        for _ in range(3):
            fleet.push()
        for picture in sorted(pictures, key=lambda one: one.stale):
            name = f"{picture.name}{'-dark' if picture.dark and folder else ''}.png"
            path = folder / f"browser-{name}" if folder else IMAGES / name
            width, height = picture.size
            context = await browser.new_context(
                viewport={"width": width, "height": height},
                color_scheme="dark" if picture.dark else "light",
                has_touch=picture.size == PHONE,
            )
            page = await context.new_page()
            await page.goto(fleet.url + _with_ids(picture.address, fleet))
            await _until_drawn(page, fleet, picture)
            await page.screenshot(path=path)
            await context.close()


def _with_ids(address: str, fleet: FleetServer) -> str:
    ids = {"ID": 6, "OTHER": 7, "DOWN": 3}
    for name, number in ids.items():
        address = re.sub(rf"={name}\b", f"={fleet.shards[number].id}", address)
    return address


async def _until_drawn(page: Page, fleet: FleetServer, picture: InBrowser) -> None:
    """Wait for the first message, for two polls, and for what the picture shows."""
    timeout = PATIENCE * 1000
    await page.locator("#feed", has_text="live").wait_for(timeout=timeout)
    for _ in range(3):
        fleet.push()
        await page.wait_for_timeout(1100 if "shard=" in picture.address else 300)
    if picture.stale:
        fleet.fresh, fleet.problem = False, "no reply from tcp://127.0.0.1:9736"
        fleet.wake()
        await page.locator("#feed", has_text="STALE").wait_for(timeout=timeout)
    await page.locator(picture.shown).first.wait_for(timeout=timeout)
    await page.wait_for_timeout(500)
    fleet.fresh, fleet.problem = True, ""


if __name__ == "__main__":
    main()
