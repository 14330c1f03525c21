"""Ten tasks of an operator in the browser, as docs/how-to/answer-questions.md has them."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.adapters.page.conftest import Tab, opened_tab
from tests.adapters.page.fleet_server import FleetServer
from tests.top import operator_tasks as tasks
from tests.top.operator_tasks import TASKS, OperatorTask
from tests.top.web.conftest import needs_browser

with contextlib.suppress(ImportError):  # then all is skipped
    from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = needs_browser()


@pytest.fixture(scope="module")
def broken_tab(browser: Browser) -> Iterator[Tab]:
    """A page of a fleet in which something is wrong."""
    with FleetServer(240) as server:
        server.break_some()
        server.push()
        yield from opened_tab(browser, server, viewport={"width": 1920, "height": 800})


def _filter(page: Page, text: str) -> None:
    page.keyboard.press("/")
    page.keyboard.type(text)


def _column(page: Page, name: str) -> list[str]:
    headings = page.get_by_role("columnheader").all_inner_texts()
    at = next(at for at, text in enumerate(headings) if text.startswith(name))
    found: list[str] = page.evaluate(
        "at => [...document.querySelectorAll('.row.shard')].map(row => row.children[at].innerText)",
        at,
    )
    return found


def fullest(tab: Tab) -> None:
    page = tab.page
    _filter(page, "role=primary site=eu-west-1")
    page.get_by_role("columnheader", name="%max").get_by_role("button").click()
    expect(page.locator(".toolbar .count")).to_have_text("40 of 240 shown")
    found = [int(text.rstrip("%")) for text in _column(page, "%max")]
    assert found == sorted(found, reverse=True)


def healthy(tab: Tab) -> None:
    tab.page.get_by_label("Group by").select_option("cluster")
    groups = tab.page.locator(".row.group")
    expect(groups).to_have_count(3)
    expect(groups.filter(has_text="session-use1")).to_contain_text("1 down")


def changed(tab: Tab) -> None:
    tab.page.keyboard.press("e")
    expect(tab.page.locator(".event").first).to_contain_text("busy")


def lagging(tab: Tab) -> None:
    _filter(tab.page, "lag>20s")
    expect(tab.page.locator(".row.shard")).to_have_count(1)


def down(tab: Tab) -> None:
    tab.page.keyboard.press("p")
    row = tab.page.locator(".row.critical", has_text="connection refused")
    expect(row).to_contain_text("4m")


def evicting(tab: Tab) -> None:
    _filter(tab.page, "evicted>1")
    tab.fleet.push()
    expect(tab.page.locator(".row.shard")).to_have_count(1)


def compared(tab: Tab) -> None:
    page = tab.page
    page.locator(".row.shard a").first.click()
    expect(page.locator(".shard-head")).to_have_count(1)
    page.keyboard.press("=")
    page.keyboard.type(tab.fleet.shards[7].id)
    page.keyboard.press("Enter")
    expect(page.locator(".shard-head")).to_have_count(2)
    expect(page.locator("td.unlike").first).to_be_visible()


def clients(tab: Tab) -> None:
    page = tab.page
    page.get_by_role("columnheader", name="clients").get_by_role("button").click()
    expect(page.get_by_role("columnheader", name="clients")).to_have_attribute(
        "aria-sort", "descending"
    )
    found = [int(text) for text in _column(page, "clients") if text != "-"]
    assert found == sorted(found, reverse=True)


def versions(tab: Tab) -> None:
    tab.page.get_by_label("Group by").select_option("version")
    groups = tab.page.locator(".row.group")
    expect(groups).to_have_text([re.compile(one) for one in (r"7\.0\.15", r"7\.2\.4", r"8\.0\.2")])


def refusing(tab: Tab) -> None:
    _filter(tab.page, "reason=refused")
    expect(tab.page.locator(".row.shard")).to_have_count(1)


ANSWERS: dict[OperatorTask, Callable[[Tab], None]] = {
    tasks.FULLEST: fullest,
    tasks.HEALTHY: healthy,
    tasks.CHANGED: changed,
    tasks.LAGGING: lagging,
    tasks.DOWN: down,
    tasks.EVICTING: evicting,
    tasks.COMPARED: compared,
    tasks.CLIENTS: clients,
    tasks.VERSIONS: versions,
    tasks.REFUSING: refusing,
}


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.question)
def test_the_page_answers_the_question(broken_tab: Tab, task: OperatorTask) -> None:
    broken_tab.go()
    ANSWERS[task](broken_tab)
