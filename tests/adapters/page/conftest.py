"""A browser for the tests of the page."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest

from tests.adapters.page.fleet_server import FleetServer
from tests.top.web.conftest import CHROMIUM, OPTIONS

with contextlib.suppress(ImportError):  # then these tests are skipped
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page

OpenPage: TypeAlias = "Callable[..., Page]"
"""Opens the page of a server: `open_page(fleet, "#filter=down")`."""

EXPECTED = ("status of 401",)
"""Parts of messages on the console that are no error: a request that needs a token."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for the tests of a module."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=CHROMIUM, args=OPTIONS, timeout=60_000
        )
        yield launched
        launched.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[OpenPage]:
    """Opens pages in tabs that have seen no other; none of them may report an error."""
    contexts: list[BrowserContext] = []
    problems: list[str] = []

    def open_one(fleet: FleetServer, address: str = "", **options: Any) -> Page:
        context = browser.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda message: _note(message, problems))
        page.goto(fleet.url + address)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert not problems, problems


class Tab:
    """A page that several tests share: opening one takes a second of CPU time.

    Args:
        page: the page.
        fleet: what it shows.
    """

    def __init__(self, page: Page, fleet: FleetServer) -> None:
        self.page = page
        self.fleet = fleet

    def go(self, address: str = "") -> Page:
        """Go to an address within the page, as a new tab would show it.

        Args:
            address: the part of the URL from the `#`.
        """
        self.page.evaluate(
            """async address => {
                const main = document.getElementById("main");
                const shown = async (view) => {
                    while (main.className !== view) await new Promise(requestAnimationFrame);
                };
                document.querySelector("dialog[open]")?.close();
                document.getSelection().removeAllRanges();
                localStorage.clear();
                location.hash = "#view=events"; // the next view is a new one
                await shown("events_view");
                location.hash = address || "#";
                const views = { shard: "shard_view", "view=problems": "problems_view" };
                const named = Object.keys(views).find((one) => address.startsWith(`#${one}`));
                await shown(views[named] ?? "table_view");
            }""",
            address,
        )
        return self.page


def opened_tab(browser: Browser, fleet: FleetServer, **options: Any) -> Iterator[Tab]:
    """Open a page; at the end, it must not have reported an error."""
    problems: list[str] = []
    context = browser.new_context(**options)
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: _note(message, problems))
    page.goto(fleet.url)
    expect(page.locator("#feed")).to_contain_text("live")
    yield Tab(page, fleet)
    context.close()
    assert not problems, problems


def _note(message: ConsoleMessage, problems: list[str]) -> None:
    if message.type == "error" and not any(part in message.text for part in EXPECTED):
        problems.append(message.text)


@pytest.fixture(scope="module")
def fleet() -> Iterator[FleetServer]:
    """500 shards in three clusters: two are down, one is loading and one is busy."""
    with FleetServer(500) as server:
        server.set_state(3, "down", "refused", "connection refused", ago=240)
        server.set_state(40, "down", "timeout", "no reply within 2 s", ago=4000)
        server.set_state(8, "loading", ago=12)
        server.set_state(29, "busy", ago=5)
        yield server


@pytest.fixture(scope="module")
def tab(browser: Browser, fleet: FleetServer) -> Iterator[Tab]:
    """A page with many shards; nothing changes in it unless a test does it."""
    yield from opened_tab(browser, fleet, viewport={"width": 1280, "height": 800})


@pytest.fixture(scope="module")
def small_tab(browser: Browser) -> Iterator[Tab]:
    """A page with few shards, whose state tests change and restore."""
    with FleetServer(20) as server:
        yield from opened_tab(browser, server, viewport={"width": 1280, "height": 600})
