"""The page of one shard and of two, in a browser, of a daemon with real servers."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.daemons import RunningDaemon
from tests.load import put_load
from tests.servers import RealServer
from tests.spawning import free_port
from tests.top.web.conftest import needs_browser
from tests.waiting import wait_until

with contextlib.suppress(ImportError):  # then these tests are skipped
    from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NODE = shutil.which("node")
HERE = Path(__file__).parent


class Scene:
    """A primary, its replica, and an address where nothing listens, on one page.

    Args:
        daemon: polls them.
        primary, replica: the servers.
        down: id of the shard that does not answer.
        page: a tab of its HTTP server.
    """

    def __init__(
        self, daemon: RunningDaemon, primary: RealServer, replica: RealServer, down: str, page: Page
    ) -> None:
        self.daemon = daemon
        self.primary, self.replica, self.down, self.page = primary, replica, down, page

    def go(self, address: str) -> Page:
        """Show an address."""
        self.page.evaluate("address => { location.hash = address }", address)
        return self.page


def row_of(page: Page, label: str) -> str:
    """Return the text of the values beside a label."""
    header = page.get_by_role("rowheader", name=label, exact=True)
    return header.locator("xpath=..").locator("td").first.inner_text()


@pytest.fixture(scope="module")
def scene(browser: Browser) -> Iterator[Scene]:
    """The servers, and a page that has no error at the end."""
    problems: list[str] = []
    with contextlib.ExitStack() as stack:
        primary = stack.enter_context(RealServer())
        replica = stack.enter_context(
            RealServer(args=("--replicaof", primary.host, str(primary.port)))
        )
        down = f"127.0.0.1:{free_port()}"
        urls = [primary.url, replica.url, f"redis://{down}"]
        daemon = stack.enter_context(RunningDaemon(urls, http=True))
        put_load(primary.client())
        wait_until(
            lambda: b"master_link_status:up" in replica.info_text("replication"),
            what="the replica follows its primary",
        )
        daemon.wait_settled()
        page = stack.enter_context(
            contextlib.closing(browser.new_page(viewport={"width": 1280, "height": 800}))
        )
        page.set_default_timeout(60_000)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.goto(daemon.http)
        expect(page.locator("#feed")).to_contain_text("live")
        yield Scene(daemon, primary, replica, down, page)
    assert not problems, problems


pytestmark = needs_browser()


def test_a_shard_has_its_state_its_values_and_its_commands(scene: Scene) -> None:
    page = scene.go(f"#shard={scene.primary.ident}")
    expect(page.get_by_role("heading", name=scene.primary.ident)).to_be_visible()
    expect(page.locator(".shard-head .facts")).to_contain_text(re.compile("up for .*primary"))
    expect(page.get_by_role("rowheader", name="used", exact=True)).to_be_visible()
    assert re.fullmatch(r"[\d.]+M", row_of(page, "used"))
    expect(page.get_by_role("rowheader", name="info", exact=True)).to_be_visible()


def test_exact_values_are_shown_on_demand(scene: Scene) -> None:
    page = scene.go(f"#shard={scene.primary.ident}")
    expect(page.get_by_role("rowheader", name="used", exact=True)).to_be_visible()
    page.keyboard.press("x")
    assert re.fullmatch(r"[\d,]+ bytes", row_of(page, "used"))
    page.keyboard.press("x")
    assert re.fullmatch(r"[\d.]+M", row_of(page, "used"))


def test_links_lead_from_a_replica_to_its_primary_and_back(scene: Scene) -> None:
    page = scene.go(f"#shard={scene.replica.ident}")
    page.locator(".peers").get_by_role("link", name=scene.primary.ident).click()
    expect(page.get_by_role("heading", name=scene.primary.ident)).to_be_visible()
    page.locator(".peers").get_by_role("link", name=scene.replica.ident).click()
    expect(page.get_by_role("heading", name=scene.replica.ident)).to_be_visible()


def test_a_shard_that_is_down_says_why_and_since_when(scene: Scene) -> None:
    page = scene.go(f"#shard={scene.down}")
    expect(page.locator(".shard-head .state")).to_contain_text(re.compile("down: refused for "))
    expect(page.get_by_role("alert").filter(has_text="onnection refused")).to_be_visible()
    expect(page.get_by_text("There is no INFO of this shard yet.")).to_be_visible()


def test_the_search_finds_fields_of_parts_and_others(scene: Scene) -> None:
    page = scene.go(f"#shard={scene.primary.ident}")
    expect(page.get_by_role("rowheader", name="used", exact=True)).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("lru_clock")
    expect(page.get_by_role("rowheader", name="lru_clock")).to_be_visible()
    expect(page.get_by_text("1 found")).to_be_visible()
    expect(page.get_by_role("rowheader", name="used", exact=True)).to_be_hidden()
    page.keyboard.press("Escape")
    expect(page.get_by_role("rowheader", name="used", exact=True)).to_be_visible()
    page.keyboard.press("Escape")


def test_commands_are_sorted_by_the_heading_that_is_clicked(scene: Scene) -> None:
    page = scene.go(f"#shard={scene.primary.ident}")
    table = page.get_by_role("region", name="Commands, table")
    heading = table.get_by_role("columnheader", name="command", exact=True)
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "ascending")
    shown = [name for name in table.get_by_role("rowheader").all_inner_texts() if name]
    assert len(shown) > 3
    assert shown == sorted(shown)
    heading.get_by_role("button").click()
    expect(heading).to_have_attribute("aria-sort", "descending")
    shown = [name for name in table.get_by_role("rowheader").all_inner_texts() if name]
    assert shown == sorted(shown, reverse=True)


def test_two_shards_stand_side_by_side_with_their_differences_marked(scene: Scene) -> None:
    page = scene.go(f"#shard={scene.primary.ident}")
    box = page.get_by_role("combobox", name="Compare with shard")
    expect(box).to_be_visible()
    page.keyboard.press("=")
    page.keyboard.type(scene.replica.ident)
    page.keyboard.press("Enter")
    for ident in (scene.primary.ident, scene.replica.ident):
        expect(page.get_by_role("heading", name=ident)).to_be_visible()
    port = page.get_by_role("row").filter(
        has=page.get_by_role("rowheader", name="port", exact=True)
    )
    expect(port.locator("td")).to_have_text([str(scene.primary.port), str(scene.replica.port)])
    expect(port.locator("td.unlike")).to_have_count(2)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    expect(page.get_by_role("heading", name=scene.replica.ident)).to_be_hidden()


def test_a_comparison_with_a_shard_that_does_not_exist_is_refused(scene: Scene) -> None:
    page = scene.go(f"#shard={scene.primary.ident}")
    box = page.get_by_role("combobox", name="Compare with shard")
    box.fill("nowhere:1")
    box.press("Enter")
    assert box.evaluate("box => box.validationMessage") == "There is no shard nowhere:1."
    assert "with=" not in page.url
    box.fill("")


def test_plots_have_a_text_and_a_cursor_for_the_keyboard(scene: Scene) -> None:
    page = scene.go(f"#shard={scene.primary.ident}")
    plot = page.locator("figure.plot", has_text="memory")
    expect(plot.get_by_role("img")).to_have_attribute(
        "aria-label", re.compile("last [0-9]+ minutes: from .* to .*, mean ")
    )
    plot.get_by_role("img").focus()
    page.keyboard.press("End")
    expect(plot.locator(".readout")).to_contain_text("newest")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("figure.plot .readout").first).to_contain_text("-5s")


def test_the_keys_lead_to_the_next_shard_and_back_to_the_table(scene: Scene) -> None:
    page = scene.go("#")
    expect(page.get_by_role("row")).to_have_count(4)
    idents = sorted([scene.primary.ident, scene.replica.ident, scene.down])
    scene.go(f"#shard={idents[0]}")
    expect(page.get_by_role("heading", name=idents[0])).to_be_visible()
    page.keyboard.press("]")
    expect(page.get_by_role("heading", name=idents[1])).to_be_visible()
    page.keyboard.press("[")
    expect(page.get_by_role("heading", name=idents[0])).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("row")).to_have_count(4)


def test_a_shard_that_is_not_watched_says_so(scene: Scene) -> None:
    page = scene.go("#shard=nowhere:1")
    expect(page.get_by_text("This shard is not watched, or no longer.")).to_be_visible()


def test_when_the_daemon_stops_the_numbers_are_marked_as_old(scene: Scene) -> None:
    """The last test of this scene."""
    page = scene.go(f"#shard={scene.primary.ident}")
    expect(page.get_by_role("rowheader", name="used", exact=True)).to_be_visible()
    used = row_of(page, "used")
    scene.daemon.kill()
    expect(page.locator(".shard-head .state")).to_contain_text("stale (was up")
    assert row_of(page, "used") == used
    scene.daemon.start()
    expect(page.locator(".shard-head .state")).to_contain_text("up for")


@pytest.mark.skipif(NODE is None, reason="node is not installed here: it runs the page's modules")
def test_scales_tables_and_texts_of_the_page_of_a_shard(tmp_path: Path) -> None:
    """The pure modules, in Node.js."""
    assert NODE is not None
    shutil.copytree(str(files("zinfo.adapters.page") / "static"), tmp_path, dirs_exist_ok=True)
    # Without it, Node.js before 20.19 takes the files for CommonJS modules.
    (tmp_path / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    done = subprocess.run(
        [NODE, str(HERE / "shard_modules.mjs"), str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
