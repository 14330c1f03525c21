"""The page in a real browser: it updates, sorts, filters, and shows a shard that goes down."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.request import Request, urlopen

import pytest

from tests.daemons import RunningDaemon
from tests.promises import Promise
from tests.servers import RealServer
from tests.top.web.conftest import needs_browser, running_web
from zinfo.views.columns import COLUMNS

with contextlib.suppress(ImportError):  # then all is skipped
    from playwright.sync_api import expect

    expect.set_options(timeout=60_000)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Route

MS = 1000
TIMEOUT = 60 * MS
HEADINGS = [column.name for column in COLUMNS]


class Watched:
    """Three servers, a daemon that watches them, and the page."""

    def __init__(self, servers: list[RealServer], daemon: RunningDaemon, url: str) -> None:
        self.servers = servers
        self.daemon = daemon
        self.url = url


def fill(server: RealServer, keys: int) -> None:
    server.client().mset({f"k{key}": key for key in range(keys)})


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    """The same for all tests: each leaves three shards that are up."""
    with RealServer() as first, RealServer() as second, RealServer() as third:
        servers = [first, second, third]
        for number, server in enumerate(servers):
            fill(server, 10 * (number + 1))
        tables = "".join(
            f'[[shards]]\nid = "db-{n + 1}"\nurl = "{one.url}"\nlabels = {{ site = "s{n}" }}\n'
            for n, one in enumerate(servers)
        )
        with RunningDaemon(config_text=tables, environ={"ZINFO_BUS_HEARTBEAT": "0.5"}) as daemon:
            daemon.wait_polled(3)
            with running_web(daemon) as url:
                yield Watched(servers, daemon, url)


@pytest.fixture
def page(browser: Browser, watched: Watched) -> Iterator[Page]:
    """The page in a tab that has seen no other, with three shards that are up."""
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.set_default_timeout(TIMEOUT)
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if _is_bad(message) else None)
    page.goto(watched.url)
    expect(page.locator("#feed")).to_have_text("live")
    expect(page.locator("tr[data-shard]", has_text="up")).to_have_count(3)
    yield page
    context.close()
    assert not problems, problems


def _is_bad(message: ConsoleMessage) -> bool:
    """Whether it is an error, but not that of a filter that was refused on purpose."""
    return message.type == "error" and "400 (Bad Request)" not in message.text


def ids(page: Page) -> list[str]:
    found: list[str] = page.locator("tr[data-shard]").evaluate_all(
        "rows => rows.map(row => row.dataset.shard)"
    )
    return found


def cell(page: Page, shard: str, number: int) -> str:
    return page.locator(f'tr[data-shard="{shard}"] td').nth(number).inner_text()


pytestmark = needs_browser()


def test_it_loads_and_lives(page: Page, watched: Watched) -> None:
    assert ids(page) == ["db-1", "db-2", "db-3"]
    assert cell(page, "db-2", 1) == "up"
    assert "3" in page.locator("#totals").inner_text()
    keys = page.locator('tr[data-shard="db-1"] td').nth(HEADINGS.index("keys"))
    expect(keys).to_have_text("10")
    watched.servers[0].client().set("k10", 1)
    expect(keys).to_have_text("11")


def test_it_sorts_by_a_heading_both_ways(page: Page) -> None:
    heading = page.locator("th", has_text="keys")
    heading.click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    assert ids(page) == ["db-3", "db-2", "db-1"]
    heading.click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    assert ids(page) == ["db-1", "db-2", "db-3"]


def test_the_page_filters_and_shows_the_error_of_an_invalid_filter(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("site=s1")
    rows = page.locator("tr[data-shard]")
    expect(rows).to_have_count(1)
    assert ids(page) == ["db-2"]
    page.locator("#filter").fill("ops>many")
    expect(page.locator("#problem")).to_contain_text("many")
    expect(page.locator("#feed")).to_have_text("")
    page.locator("#filter").fill("")
    expect(rows).to_have_count(3)
    expect(page.locator("#problem")).to_have_text("")
    expect(page.locator("#feed")).to_have_text("live")


def test_a_filter_that_is_refused_is_no_silence_of_the_server(page: Page) -> None:
    page.clock.install()  # its timers are to pass in no time
    page.reload()
    expect(page.locator("#feed")).to_have_text("live")
    page.locator("#filter").fill("ops>many")
    expect(page.locator("#problem")).to_contain_text("many")
    page.clock.fast_forward(60 * MS)
    expect(page.locator("#feed")).to_have_text("")


def test_a_late_error_of_a_former_filter_is_not_shown(page: Page) -> None:
    """The response with the error arrives after the filter was changed."""
    late: list[Route] = []

    def take(route: Route) -> None:
        if route.request.resource_type == "eventsource":
            route.continue_()
        else:
            late.append(route)

    page.route("**/stream?filter=ops*", take)
    with page.expect_request(
        lambda request: "many" in request.url and request.resource_type == "fetch"
    ):
        page.locator("#filter").fill("ops>many")
    page.locator("#filter").fill("site=s1")
    expect(page.locator("tr[data-shard]")).to_have_count(1)
    with page.expect_response(lambda response: "many" in response.url):
        late[0].continue_()
    page.evaluate("() => new Promise(requestAnimationFrame)")
    expect(page.locator("#problem")).to_have_text("")
    expect(page.locator("#feed")).to_have_text("live")


def test_a_killed_shard_is_shown_down_and_up_again(
    page: Page, watched: Watched, promise: Promise
) -> None:
    began = time.monotonic()
    watched.servers[1].kill()
    expect(page.locator('tr[data-shard="db-2"]')).to_contain_text("down: refused")
    took = time.monotonic() - began
    promise("a shard is killed", "down in the browser", f"after {took:.2f} s")
    page.locator("#events li", has_text="down: refused").first.wait_for()
    watched.servers[1].start()
    fill(watched.servers[1], 20)
    expect(page.locator("tr[data-shard]", has_text="up")).to_have_count(3)


def test_a_shard_has_a_page_with_all_fields_and_changes_are_highlighted(
    page: Page, watched: Watched
) -> None:
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.locator("#sections h3", has_text="Memory").wait_for()
    assert page.locator("#name").inner_text() == "db-1"
    names = page.locator("#sections td:first-child").all_inner_texts()
    info = watched.servers[0].client().info("everything")
    assert {"used_memory", "redis_version", "connected_clients"} <= set(names)
    assert len(names) > len(info) * 0.8
    watched.servers[0].client().config_set("maxmemory", 77 << 20)
    changed = page.locator("#sections tr.changed td:first-child", has_text="maxmemory").first
    changed.wait_for()
    page.keyboard.press("Escape")
    page.locator("tr[data-shard]").nth(2).wait_for()


def test_a_missing_daemon_is_shown_as_stale(page: Page, watched: Watched) -> None:
    watched.daemon.kill()
    expect(page.locator("#feed")).to_contain_text("stale")
    expect(page.locator('tr[data-shard="db-1"]')).to_contain_text("stale")
    watched.daemon.start()
    expect(page.locator("#feed")).to_have_text("live")
    expect(page.locator("tr[data-shard]", has_text="up")).to_have_count(3)


def test_a_hidden_tab_requests_nothing_until_it_is_visible(page: Page) -> None:
    expect(page.locator("#feed")).to_have_text("live")
    with page.expect_event(
        "requestfailed", lambda request: "stream" in request.url, timeout=TIMEOUT
    ):
        _turn(page, hidden=True)
    with page.expect_request("**/stream*"):
        _turn(page, hidden=False)
    page.locator("tr[data-shard]").nth(2).wait_for()
    expect(page.locator("#feed")).to_have_text("live")


def _turn(page: Page, *, hidden: bool) -> None:
    """Have the page believe that its tab was left, or came back: without a screen all are seen."""
    page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def test_a_page_of_another_host_is_refused(watched: Watched) -> None:
    question = Request(f"{watched.url}stream", headers={"Host": "rebound.example"})
    with pytest.raises(OSError, match="403"), urlopen(question, timeout=30):
        pass
