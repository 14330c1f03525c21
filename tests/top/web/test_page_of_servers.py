"""The page in a real browser, over a real daemon: with a token, and as `zinfo top --web`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.top.web.conftest import needs_browser, running_web

with contextlib.suppress(ImportError):  # then all is skipped
    from playwright.sync_api import expect

    expect.set_options(timeout=20_000)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = needs_browser()

TOKEN = "reader-0123456789abcdef"
CLIENTS = """
[clients.reader]
shards = ["cache-"]
"""


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """A daemon with a token for one of its two shards."""
    tokens: Path = tmp_path_factory.mktemp("tokens") / "tokens"
    tokens.write_text(f"reader {TOKEN}\n")
    tokens.chmod(0o600)
    with RealServer() as server:
        shards = "".join(
            f'[[shards]]\nid = "{one}"\nurl = "{server.url}"\n' for one in ("cache-1", "db-1")
        )
        text = f'{shards}\n[http]\ntoken_file = "{tokens}"\n{CLIENTS}'
        with RunningDaemon(config_text=text, http=True) as running:
            running.wait_polled(2)
            yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.set_default_timeout(60_000)
    yield page
    context.close()


def test_with_tokens_the_page_asks_for_one_and_shows_what_it_may_see(
    page: Page, daemon: RunningDaemon
) -> None:
    page.goto(daemon.http)
    dialog = page.locator("#token")
    expect(dialog).to_be_visible()
    page.locator("#token-value").fill("wrong-0123456789abcdef")
    page.keyboard.press("Enter")
    expect(page.locator("#token-problem")).to_contain_text("refused")
    page.locator("#token-value").fill(TOKEN)
    page.keyboard.press("Enter")
    expect(dialog).to_be_hidden()
    expect(page.locator("[role=row]", has_text="cache-1")).to_have_count(1)
    expect(page.locator("[role=row]", has_text="db-1")).to_have_count(0)
    page.reload()
    expect(page.locator("[role=row]", has_text="cache-1")).to_have_count(1)
    expect(dialog).to_be_hidden()


def test_top_serves_the_same_page(page: Page, daemon: RunningDaemon) -> None:
    with running_web(daemon) as url:
        page.goto(url)
        for shard in ("cache-1", "db-1"):
            expect(page.locator("[role=row]", has_text=shard)).to_have_count(1)
        daemon.kill()
        expect(page.locator("#feed")).to_have_class("stale")
        daemon.start()
        expect(page.locator("#feed")).to_have_class("live")
