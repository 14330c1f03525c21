#!/usr/bin/env python3
"""Creates the screenshots of `zinfo top` in docs/images, with real servers under load.

It needs `.[tui,demo]`, a redis-server on the PATH, and, for the PNG files, Chromium and playwright.

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
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from zinfo.client import Client
from zinfo.demo.children import Children
from zinfo.demo.load import Load
from zinfo.demo.program import INSIDE_WHEEL, WHEEL, ServerProgram, find_program
from zinfo.demo.run import StopSignals
from zinfo.demo.servers import EmbeddedServer, free_port, start_servers
from zinfo.top.feed import Feed
from zinfo.top.glyphs import FANCY
from zinfo.top.terminal.app import TopApp

if TYPE_CHECKING:
    from playwright.async_api import Browser

IMAGES = Path(__file__).parent / "images"
SECONDS = 310.0
SITES = ("ams", "fra")
KINDS = ("sessions-{}-1", "cache-{}-1", "cache-{}-2", "orders-{}-1", "orders-{}-2", "sessions-{}-2")
"""The names of the servers of a site; the last is a replica of the first."""

BUSY, DOWN, RESTARTED = "orders-fra-2", "sessions-ams-2", "cache-fra-1"
OPENED = "cache-fra-2"
PATIENCE = 30.0
"""Timeout in seconds of each wait."""

_FOREIGN = re.compile(r"@font-face\s*{.*?}\s*|<!--.*?-->\s*", re.DOTALL)
_FILLED_AT_ONCE = 1000
_FILLING = """
for number = ARGV[1], ARGV[2] do redis.call("SET", "user:" .. number, string.rep("x", 400)) end
"""
_BLOCKING = "local n = 0 while n < 1e12 do n = n + 1 end"


def main() -> None:
    """Start servers, load and daemon, wait, take the screenshots, and stop everything."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    IMAGES.mkdir(exist_ok=True)
    with StopSignals() as stopping, Children() as children:
        named: dict[str, EmbeddedServer] = {}
        for site, program in zip(SITES, (_valkey(), find_program()), strict=True):
            started = start_servers(program, len(KINDS), children, stopping)
            named |= {kind.format(site): one for kind, one in zip(KINDS, started, strict=True)}
        servers = list(named.values())
        for number, server in enumerate(servers):
            _fill(server, 6_000 + 7_000 * number)
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
            asyncio.run(_take(feed, named, seconds, page, children.directory / "dump.rdb"))


def _valkey() -> ServerProgram:
    """Return the server of the `demo` extra."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"the package {WHEEL} is not installed")
    (path,) = Path(spec.origin).parent.glob(INSIDE_WHEEL)
    return ServerProgram(path, path.name)


def _fill(server: EmbeddedServer, keys: int) -> None:
    """Set keys on a primary."""
    if server.primary is None:
        with contextlib.closing(server.client()) as client:
            for first in range(0, keys, _FILLED_AT_ONCE):
                client.eval(_FILLING, 0, str(first), str(first + _FILLED_AT_ONCE - 1))


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


async def _take(
    feed: Feed, named: dict[str, EmbeddedServer], seconds: float, page: str, dump: Path
) -> None:
    # The plots need some history; an outage is shown as a gap.
    await asyncio.sleep(seconds * 0.7)
    named[RESTARTED].kill()
    await asyncio.sleep(seconds * 0.1)
    dump.unlink(missing_ok=True)  # a replica wrote it; a server would load it when it starts
    named[RESTARTED].start()
    await asyncio.sleep(seconds * 0.2)
    named[DOWN].kill()
    blocked = threading.Thread(target=_block, args=(named[BUSY],), daemon=True)
    blocked.start()
    await _until(lambda: _has_all_to_show(feed), "the shards to be down and busy")
    by_ops = ["greater_than_sign"] * 4
    await _picture(feed, (122, 26), "readme", [*by_ops, "e"], "restarted", png=True)
    await _picture(feed, (120, 20), "table", ["down", "down"], "refused")
    opening = ["slash", *OPENED, "enter", "enter"]
    await _picture(feed, (120, 36), "shard", [*opening, *["right"] * 4], "Stats  lines")
    await _picture(feed, (120, 28), "events", ["greater_than_sign", "e"], "restarted")
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
    feed.follow_shard(OPENED)
    with feed.locked() as model:
        states = {row.shard: row.state for row in model.rows(feed.now())}
        reported = states.get(DOWN) == "down" and states.get(BUSY) == "busy"
        known = model.sections(OPENED, feed.now()) and not model.lacks_sections(OPENED)
        return reported and bool(known)


async def _until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition is true."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not condition():
        if asyncio.get_running_loop().time() > deadline:
            raise TimeoutError(f"waited {PATIENCE:.0f} s for {what}")
        await asyncio.sleep(0.1)


async def _picture(
    feed: Feed,
    size: tuple[int, int],
    name: str,
    keys: Sequence[str],
    shown: str,
    *,
    png: bool = False,
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
    if png:
        await _draw(svg, IMAGES / f"top-{name}.png")
        return
    # Images in a page cannot load fonts, so the font of the reader is used.
    svg = (
        _FOREIGN.sub("", svg)
        .replace("Fira Code, monospace", "monospace")
        .replace("Fira Code", "monospace")
    )
    (IMAGES / f"top-{name}.svg").write_text(svg, encoding="utf-8")


@contextlib.asynccontextmanager
async def _browser() -> AsyncIterator[Browser | None]:
    """Run a browser; return None if none is installed."""
    chromium = shutil.which("chromium")
    if chromium is None or importlib.util.find_spec("playwright") is None:
        sys.stderr.write("no PNG files: they need chromium and playwright\n")
        yield None
        return
    from playwright.async_api import async_playwright  # noqa: PLC0415 - it may not be installed

    async with async_playwright() as playwright:
        yield await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )


async def _draw(svg: str, path: Path) -> None:
    """Draw an SVG as a PNG with two pixels for each point and transparent corners."""
    svg = _FOREIGN.sub("", svg).replace("Fira Code", "DejaVu Sans Mono")
    async with _browser() as browser:
        if browser is None:
            return
        page = await browser.new_page(viewport={"width": 980, "height": 800}, device_scale_factor=2)
        await page.set_content(f"<style>body {{ margin: 0 }} svg {{ display: block }}</style>{svg}")
        await page.locator("svg").screenshot(path=path, omit_background=True)


async def _take_in_browser(url: str) -> None:
    """Take screenshots of the web page if there is a browser."""
    async with _browser() as browser:
        if browser is None:
            return
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


if __name__ == "__main__":
    main()
