"""The page of three daemons that share the shards, in a real browser."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from tests.top.several_daemons import COUNT, IDS, Daemons, shards_of
from tests.top.web.conftest import needs_browser, running_web
from zinfo.wire.slices import slices_of

with contextlib.suppress(ImportError):  # then all is skipped
    from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = needs_browser()


@pytest.fixture(scope="module")
def daemons() -> Iterator[Daemons]:
    with ExitStack() as stack:
        yield Daemons(stack)


@pytest.fixture
def page(browser: Browser, daemons: Daemons) -> Iterator[Page]:
    with running_web(daemons.running) as url:
        context = browser.new_context(viewport={"width": 1280, "height": 720})
        page = context.new_page()
        page.goto(url)
        yield page
        context.close()


def test_the_page_says_which_daemons_reply_and_what_is_missing(
    page: Page, daemons: Daemons
) -> None:
    count, feed, up = page.locator("#daemons"), page.locator("#feed"), len(IDS)
    expect(count).to_have_text("3 of 3 daemons, slices 0-2, 2 copies")
    expect(feed).to_have_text("live")
    expect(page.locator("tr.up")).to_have_count(up)
    daemons.running[2].kill()
    expect(count).to_have_text("2 of 3 daemons, slices 0-1 of 3, 2 copies")
    expect(feed).to_have_text("live")
    expect(page.locator("tr.up")).to_have_count(up)
    daemons.running[1].kill()
    expect(feed).to_contain_text("missing: slice 1 of 3")
    lost = len(shards_of(1) & shards_of(2)) - len(shards_of(0) & shards_of(1) & shards_of(2))
    expect(page.locator("tr.stale")).to_have_count(lost)
    expect(page.locator("tr.up")).to_have_count(up - lost)
    if picture := os.environ.get("ZINFO_TEST_PICTURE"):
        page.screenshot(path=picture)
    for number in (1, 2):
        daemons.running[number].start()
    expect(count).to_have_text("3 of 3 daemons, slices 0-2, 2 copies")
    expect(feed).to_have_text("live")
    expect(page.locator("tr.up")).to_have_count(up)
    page.locator("tr[data-shard='db-0']").click()
    for number in slices_of("db-0", COUNT, 2):
        expect(page.locator("#about")).to_contain_text(f"zinfo-{number}")
    expect(page.locator("#about")).to_contain_text("(shown)")
