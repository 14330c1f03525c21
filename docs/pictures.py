#!/usr/bin/env python3
"""Takes the pictures of `zinfo top` in docs/images: of real servers under load, and a daemon.

In the terminal, and where there is Chromium (and playwright) in a browser, too.

    python docs/pictures.py [SECONDS]

It takes five minutes, so that the plots have something to show; with SECONDS less.
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
from collections.abc import Iterator, Sequence
from pathlib import Path

import redis
from textual.pilot import Pilot

from zinfo.client import Client
from zinfo.demo.children import Children
from zinfo.demo.load import Load
from zinfo.demo.program import find_program
from zinfo.demo.run import Ending
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

_FOREIGN = re.compile(r"@font-face\s*{.*?}\s*|<!--.*?-->\s*", re.DOTALL)
_BLOCKING = "local n = 0 while n < 1e12 do n = n + 1 end"


def main() -> None:
    """Start everything, wait, take the pictures, take everything away."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else SECONDS
    IMAGES.mkdir(exist_ok=True)
    with Ending() as ended, Children() as children:
        servers = start_servers(find_program(), len(NAMES), children, ended)
        named = dict(zip(NAMES, servers, strict=True))
        config = children.directory / "zinfo.toml"
        config.write_text("\n".join(_tables(named)))
        query, bus = (f"tcp://127.0.0.1:{free_port()}" for _ in range(2))
        command = [sys.executable, "-m", "zinfo", "serve", f"--config={config}"]
        command += [f"--query={query}", f"--pub={bus}"]
        environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        children.start(command, children.directory / "zinfo.log", environ)
        with Client(query, timeout=30) as client:
            client.hello()
        with Load(servers), Feed(query) as feed, _page(children, query, environ) as page:
            asyncio.run(_take(feed, named, seconds, page))


def _tables(named: dict[str, EmbeddedServer]) -> Iterator[str]:
    """Yield the configuration of each shard, and of one that nobody listens at."""
    for name, server in named.items():
        site = name.split("-")[1]
        yield f'[[shards]]\nid = "{name}"\nurl = "{server.url}"\nlabels = {{ site = "{site}" }}'
    yield f'[[shards]]\nid = "archive-1"\nurl = "redis://127.0.0.1:{free_port()}"'


@contextlib.contextmanager
def _page(children: Children, query: str, environ: dict[str, str]) -> Iterator[str]:
    """Run `zinfo top --web`, from the start on, so that its plots have something to show, too."""
    port = free_port()
    command = [sys.executable, "-m", "zinfo", "top", f"--web=127.0.0.1:{port}"]
    children.start([*command, f"--connect={query}"], children.directory / "web.log", environ)
    yield f"http://127.0.0.1:{port}/"


async def _take(feed: Feed, named: dict[str, EmbeddedServer], seconds: float, page: str) -> None:
    await asyncio.sleep(seconds * 0.7)
    named[RESTARTED].kill()
    await asyncio.sleep(seconds * 0.1)
    named[RESTARTED].start()
    await asyncio.sleep(seconds * 0.2)
    named[DOWN].kill()
    blocked = threading.Thread(target=_block, args=(named[BUSY],), daemon=True)
    blocked.start()
    await asyncio.sleep(4)
    await _picture(feed, (120, 36), "table", ["down", "down"])
    await _picture(feed, (120, 36), "shard", ["slash", *OPENED, "enter", "enter", *["right"] * 4])
    await _picture(feed, (120, 36), "events", ["greater_than_sign", "e"])
    await _picture(feed, (80, 24), "narrow", ["slash", *"site=fra", "enter"])
    await _take_in_browser(page)
    named[BUSY].kill()
    blocked.join()


def _block(server: EmbeddedServer) -> None:
    """Have a server do nothing else for long, until it is killed."""
    with contextlib.suppress(redis.RedisError):
        client = server.client()
        client.config_set("busy-reply-threshold", 200)
        client.eval(_BLOCKING, 0)


async def _picture(feed: Feed, size: tuple[int, int], name: str, keys: Sequence[str]) -> None:
    app = TopApp(feed, FANCY)
    async with app.run_test(size=size) as pilot:
        await _press(pilot, keys)
        await asyncio.sleep(2)
        svg = app.export_screenshot(title="zinfo top")
    # Pictures on a page may load nothing: the reader's own font has to do.
    svg = (
        _FOREIGN.sub("", svg)
        .replace("Fira Code, monospace", "monospace")
        .replace("Fira Code", "monospace")
    )
    (IMAGES / f"top-{name}.svg").write_text(svg, encoding="utf-8")


async def _take_in_browser(url: str) -> None:
    """Take the pictures of the page, where there is a browser."""
    chromium = shutil.which("chromium")
    if chromium is None or importlib.util.find_spec("playwright") is None:
        sys.stderr.write("no pictures of the page: that takes chromium, and playwright\n")
        return
    from playwright.async_api import async_playwright  # noqa: PLC0415 - only there

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page(viewport={"width": 1280, "height": 720})
        for name, place in (("table", "#sort=ops"), ("shard", f"#shard={OPENED}")):
            await page.goto(url + place)
            await page.wait_for_timeout(7000)
            await page.screenshot(path=IMAGES / f"web-{name}.png")
        await browser.close()


async def _press(pilot: Pilot[None], keys: Sequence[str]) -> None:
    await asyncio.sleep(1)
    for key in keys:
        await pilot.press(key)
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    main()
