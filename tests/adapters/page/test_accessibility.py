"""axe-core finds nothing serious in any view of the page: https://github.com/dequelabs/axe-core."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.adapters.page.conftest import OpenPage
from tests.adapters.page.fleet_server import FleetServer
from tests.top.web.conftest import needs_browser

with contextlib.suppress(ImportError):  # then all is skipped
    from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Page

AXE = "axe-core@4.11.0"
INSTALL_TIMEOUT = 120.0  # seconds
SERIOUS = ("serious", "critical")

pytestmark = needs_browser()


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script, of npm's package; skips if npm cannot install it."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("npm is not installed here: it brings axe-core")
    folder = tmp_path_factory.mktemp("axe")
    options = ("--no-audit", "--no-fund", "--ignore-scripts", "--silent", "--prefix", str(folder))
    done = subprocess.run(
        [npm, "install", *options, AXE],
        capture_output=True,
        text=True,
        timeout=INSTALL_TIMEOUT,
        check=False,
    )
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if not script.is_file():
        pytest.skip(f"npm cannot install {AXE}: {done.stderr[-200:]}")
    return script.read_text(encoding="utf-8")


def findings(page: Page, axe: str) -> list[str]:
    """Return what axe finds, with the elements; only findings that are serious or worse."""
    page.evaluate(axe)
    found = page.evaluate(
        """async () => (await axe.run(document, { resultTypes: ["violations"] })).violations"""
    )
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:120] for node in one['nodes'][:3]]}"
        for one in found
        if one["impact"] in SERIOUS
    ]


VIEWS = {
    "table": "",
    "filter": "#filter=used_memry>1",
    "groups": "#group=cluster&sort=ops",
    "problems": "#view=problems",
    "events": "#view=events",
    "shard": "#shard={one}",
    "two shards": "#shard={one}&with={other}",
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_view_has_a_serious_finding(
    fleet: FleetServer, open_page: OpenPage, axe: str, scheme: str
) -> None:
    page = open_page(fleet, color_scheme=scheme, bypass_csp=True)  # axe is not the page's own
    found = {}
    for name, address in VIEWS.items():
        one, other = (shard.id for shard in fleet.shards[:2])
        page.goto(fleet.url + address.format(one=one, other=other))
        page.reload()
        expect(page.locator("#feed")).to_contain_text("live")
        found[name] = findings(page, axe)
    page.goto(fleet.url)
    expect(page.locator("#feed")).to_contain_text("live")
    for key in ("?", "c"):
        page.keyboard.press(key)
        expect(page.locator("dialog[open]")).to_be_visible()
        found[f"dialog of {key}"] = findings(page, axe)
        page.keyboard.press("Escape")
    assert not any(found.values()), found


def test_a_phone_has_no_serious_finding(fleet: FleetServer, open_page: OpenPage, axe: str) -> None:
    page = open_page(fleet, "#sort=memory", viewport={"width": 390, "height": 844}, bypass_csp=True)
    expect(page.locator("#feed")).to_contain_text("live")
    assert findings(page, axe) == []


def test_the_dialog_for_a_token_and_stale_data_have_no_serious_finding(
    open_page: OpenPage, axe: str
) -> None:
    with FleetServer(30, token="right") as fleet:
        page = open_page(fleet, bypass_csp=True)
        box = page.get_by_role("textbox", name="Token")
        expect(box).to_be_visible()
        assert findings(page, axe) == []
        box.fill("right")
        box.press("Enter")
        expect(page.locator("#feed")).to_contain_text("live")
        fleet.fresh, fleet.problem = False, "no reply"
        fleet.wake()
        expect(page.locator("#feed")).to_contain_text("STALE")
        assert findings(page, axe) == []
