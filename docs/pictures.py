#!/usr/bin/env python3
"""Creates the screenshots of `zinfo top` in docs/images, with real servers under load.

In the terminal, and in a browser if Chromium and playwright are installed.

    python docs/pictures.py [SECONDS]

It takes five minutes, so that the plots show some history, or SECONDS.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import re
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import redis

from zinfo.client import Client
from zinfo.demo.children import Children
from zinfo.demo.load import Load
from zinfo.demo.program import find_program
from zinfo.demo.run import StopSignals
from zinfo.demo.servers import EmbeddedServer, free_port, start_servers
from zinfo.top.feed import Feed
from zinfo.top.glyphs import FANCY
from zinfo.top.terminal.app import TopApp

IMAGES = Path(__file__).parent / "images"
SECONDS = 310.0
NAMES = [f"{kind}-{site}-{number}" for site in ("ams", "fra") for kind, number in (
    ("cache", 1), ("cache", 2), ("orders", 1), ("orders", 2), ("sessions", 1), ("sessions", 2),
)]  # fmt: skip
BUSY, DOWN, RESTARTED = "orders-fra-2", "sessions-ams-2", "cache-fra-1"
OPENED = "cache-ams-1"
PATIENCE = 30.0
"""Timeout in seconds of each wait."""

_FOREIGN = re.compile(r"@font-face\s*{.*?}\s*|<!--.*?-->\s*", re.DOTALL)
_BLOCKING = "local n = 0 while n < 1e12 do n = n + 1 end"


def main() -> None:
    """Start servers, load and daemon, wait, take the screenshots, and stop everything."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    IMAGES.mkdir(exist_ok=True)
    with StopSignals() as stopping, Children() as children:
        servers = start_servers(find_program(), len(NAMES), children, stopping)
        named = dict(zip(NAMES, servers, strict=True))
        config = children.directory / "zinfo.toml"
        config.write_text("\n".join(_tables(named)))
        query, bus = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
        command = [sys.executable, "-m", "zinfo", "serve", f"--config={config}"]
        command += [f"--query={query}", f"--bus={bus}"]
        environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        children.start(command, children.directory / "zinfo.log", environ)
        with Client(query, timeout=30) as client:
            client.hello()
        with Load(servers), Feed(query) as feed, _page(children, query, environ) as page:
            asyncio.run(_take(feed, named, seconds, page))


def _tables(named: dict[str, EmbeddedServer]) -> Iterator[str]:
    """Yield the configuration of each shard, and of one at a closed port."""
    for name, server in named.items():
        site = name.split("-")[1]
        yield f'[[shards]]\nid = "{name}"\nurl = "{server.url}"\nlabels = {{ site = "{site}" }}'
    yield f'[[shards]]\nid = "archive-1"\nurl = "redis://127.0.0.1:{free_port()}"'


@contextlib.contextmanager
def _page(children: Children, query: str, environ: dict[str, str]) -> Iterator[str]:
    """Run `zinfo top --web` from the start, so that its plots show some history, too."""
    port = free_port()
    command = [sys.executable, "-m", "zinfo", "top", f"--web=127.0.0.1:{port}"]
    children.start([*command, f"--connect={query}"], children.directory / "web.log", environ)
    yield f"http://127.0.0.1:{port}/"


async def _take(feed: Feed, named: dict[str, EmbeddedServer], seconds: float, page: str) -> None:
    # The plots need some history; an outage is shown as a gap.
    await asyncio.sleep(seconds * 0.7)
    named[RESTARTED].kill()
    await asyncio.sleep(seconds * 0.1)
    named[RESTARTED].start()
    await asyncio.sleep(seconds * 0.2)
    named[DOWN].kill()
    blocked = threading.Thread(target=_block, args=(named[BUSY],), daemon=True)
    blocked.start()
    await _until(lambda: _has_all_to_show(feed), "the shards to be down and busy")
    await _picture(feed, (120, 36), "table", ["down", "down"], "refused")
    opening = ["slash", *OPENED, "enter", "enter"]
    await _picture(feed, (120, 36), "shard", [*opening, *["right"] * 4], "Stats  lines")
    await _picture(feed, (120, 36), "events", ["greater_than_sign", "e"], "restarted")
    await _picture(feed, (80, 24), "narrow", ["slash", *"site=fra", "enter"], " matching")
    await _take_in_browser(page)
    named[BUSY].kill()
    blocked.join()


def _block(server: EmbeddedServer) -> None:
    """Block a server with a script until it is killed."""
    with contextlib.suppress(redis.RedisError):
        client = server.client()
        client.config_set("busy-reply-threshold", 200)
        client.eval(_BLOCKING, 0)


def _has_all_to_show(feed: Feed) -> bool:
    """Return whether the feed has the outages, and the sections of the opened shard."""
    feed.request_sections(OPENED)
    with feed.fleet() as fleet:
        states = {row.shard: row.state for row in fleet.rows(feed.now())}
        reported = states.get(DOWN) == "down" and states.get(BUSY) == "busy"
        return reported and not fleet.lacks_sections(OPENED)


async def _until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition is true."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"waited {PATIENCE:.0f} s for {what}")
        await asyncio.sleep(0.1)


async def _picture(
    feed: Feed, size: tuple[int, int], name: str, keys: Sequence[str], shown: str
) -> None:
    """Take a screenshot after these keys, as soon as it contains `shown`."""
    app = TopApp(feed, FANCY)
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        for key in keys:
            await pilot.press(key)
            await pilot.pause()  # until the key has been processed
        wanted = shown.replace(" ", "&#160;")
        await _until(lambda: wanted in app.export_screenshot(), f"{shown} in the picture {name}")
        svg = app.export_screenshot(title="zinfo top")
    # Images in a page cannot load fonts, so the font of the reader is used.
    svg = (
        _FOREIGN.sub("", svg)
        .replace("Fira Code, monospace", "monospace")
        .replace("Fira Code", "monospace")
    )
    (IMAGES / f"top-{name}.svg").write_text(svg, encoding="utf-8")


async def _take_in_browser(url: str) -> None:
    """Take screenshots of the web page if there is a browser."""
    chromium = shutil.which("chromium")
    if chromium is None or importlib.util.find_spec("playwright") is None:
        sys.stderr.write("no screenshots of the web page: they need chromium and playwright\n")
        return
    from playwright.async_api import async_playwright  # noqa: PLC0415 - it may not be installed

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page(viewport={"width": 1280, "height": 720})
        await page.goto(f"{url}#sort=ops")
        for shard, state in ((DOWN, "down"), (BUSY, "busy")):
            row = page.locator(f'tr.{state}[data-shard="{shard}"]', has=page.locator("polyline"))
            await row.wait_for(timeout=PATIENCE * 1000)
        await page.screenshot(path=IMAGES / "web-table.png")
        await page.goto(f"{url}#shard={OPENED}")
        sections = page.locator("#sections h3")
        await sections.filter(has_text="Keyspace").wait_for(timeout=PATIENCE * 1000)
        await page.screenshot(path=IMAGES / "web-shard.png")
        await browser.close()


if __name__ == "__main__":
    main()
