"""The table in a browser: keyboard, links, filters, groups, columns, phone, stale data, tokens."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from tests.adapters.page.conftest import OpenPage, Tab
from tests.adapters.page.fleet_server import FleetServer
from tests.top.web.conftest import needs_browser
from tests.waiting import wait_until

with contextlib.suppress(ImportError):  # then all is skipped
    from playwright.sync_api import expect

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = needs_browser()


def ready(page: Page) -> Page:
    """Return a page whose first message has arrived."""
    expect(page.locator("#feed")).to_contain_text("live")
    return page


def rows(page: Page) -> Locator:
    return page.locator(".row.shard")


def focused(page: Page) -> str:
    """Return the accessible position of the focus: `row 2, column 1: TEXT`."""
    found: str = page.evaluate(
        """() => {
            const cell = document.activeElement.closest("[role=gridcell], [role=columnheader]");
            if (!cell) return document.activeElement.tagName;
            const row = cell.parentElement.getAttribute("aria-rowindex");
            return `row ${row}, column ${cell.getAttribute("aria-colindex")}`;
        }"""
    )
    return found


def column(page: Page, name: str) -> list[str]:
    """Return the texts of a column of the rows in the document, in their order."""
    headings = page.get_by_role("columnheader").all_inner_texts()
    at = next(at for at, text in enumerate(headings) if text.startswith(name))
    found: list[str] = page.evaluate(
        "at => [...document.querySelectorAll('.row.shard')].map(row => row.children[at].innerText)",
        at,
    )
    return found


def test_only_visible_rows_are_in_the_document_and_the_grid_says_how_many_there_are(
    tab: Tab,
) -> None:
    page = tab.go()
    grid = page.get_by_role("grid")
    expect(grid).to_have_attribute("aria-rowcount", "501")
    assert rows(page).count() < 60
    page.locator(".scroller").evaluate("one => { one.scrollTop = one.scrollHeight; }")
    expect(page.locator('.row[aria-rowindex="501"]')).to_be_visible()
    assert rows(page).count() < 60


def test_forty_rows_fit_a_full_hd_screen(fleet: FleetServer, open_page: OpenPage) -> None:
    page = ready(open_page(fleet, viewport={"width": 1920, "height": 1080}))
    below = page.locator('.row[aria-rowindex="41"]').bounding_box()
    footer = page.locator("footer").bounding_box()
    assert below
    assert footer
    assert below["y"] + below["height"] <= footer["y"]


def test_the_keyboard_alone_moves_sorts_and_opens(tab: Tab) -> None:
    page = tab.go()
    keys = page.keyboard
    keys.press("ArrowDown")
    assert focused(page) == "row 2, column 1"
    for key, position in (
        ("ArrowDown", "row 3, column 1"),
        ("ArrowRight", "row 3, column 2"),
        ("Control+End", "row 501"),
        ("Home", "row 501, column 1"),
        ("Control+Home", "row 2, column 1"),
        ("ArrowUp", "row 1, column 1"),
        ("ArrowRight", "row 1, column 2"),
    ):
        keys.press(key)
        assert focused(page).startswith(position), (key, focused(page))
    keys.press("Enter")  # on the heading of the state: worst first
    heading = page.get_by_role("columnheader", name="state")
    expect(heading).to_have_attribute("aria-sort", "ascending")
    states = page.locator(".row.shard .state").all_inner_texts()
    assert [text.split(",")[0] for text in states[:4]] == [
        "down: refused", "down: timeout", "busy", "loading",
    ]  # fmt: skip
    keys.press("ArrowDown")
    keys.press("PageDown")
    keys.press("PageUp")
    assert focused(page) == "row 2, column 2"
    keys.press("Enter")
    page.wait_for_url("**#*shard=prod-*")


def test_the_focus_stays_with_its_shard_when_rows_change_places(tab: Tab) -> None:
    page = tab.go("#sort=ops")
    page.keyboard.press("ArrowDown")
    shard = page.evaluate("document.activeElement.href.split('shard=')[1]")
    page.keyboard.press("r")  # the row is the last one now, outside of the window
    expect(page.get_by_role("columnheader", name="ops/s")).to_have_attribute(
        "aria-sort", "ascending"
    )
    assert page.evaluate("document.activeElement.href.split('shard=')[1]") == shard
    page.keyboard.press("ArrowUp")
    expect(page.locator(".row:focus-within")).to_be_in_viewport()


def test_rows_are_links_that_open_in_a_new_tab(tab: Tab) -> None:
    page = tab.go("#filter=role%3Dreplica")
    link = rows(page).first.get_by_role("link")
    href = link.get_attribute("href")
    assert href
    assert "shard=prod-" in href
    assert "filter=" in href
    with page.context.expect_page() as opened:
        rows(page).first.locator("[role=gridcell]").nth(4).click(button="middle", force=True)
    assert href in opened.value.url


def test_a_filter_is_applied_while_it_is_typed_and_its_errors_are_shown(tab: Tab) -> None:
    page = tab.go()
    page.keyboard.press("/")
    page.keyboard.type("used_memory>8G site=eu-west-1 or down")
    expect(page.locator(".toolbar .count")).to_contain_text("of 500 shown")
    page.wait_for_url("**filter=used_memory**down")
    box = page.get_by_role("searchbox")
    problem = page.locator(".search .problem")
    box.fill("ops>many")
    expect(problem).to_contain_text("many is not a number such as 100")
    assert "ops" not in page.url, "an invalid filter is not applied"
    box.fill("used_memry>1G")
    expect(problem).to_have_text(
        "used_memry is neither a column, a field nor a label, did you mean used_memory?"
    )
    expect(page.locator("#announcement")).to_have_text("0 of 500 shown")
    expect(page.locator(".empty", has_text="0 of 500 shown")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator(".toolbar .count")).to_have_text("500 shards")


def test_a_field_of_info_that_no_column_shows_is_read_for_a_filter_and_a_column(tab: Tab) -> None:
    page = tab.go(
        "#filter=mem_fragmentation_ratio>1.5&columns=id,mem_fragmentation_ratio,label:team&sort=mem_fragmentation_ratio"
    )
    expect(rows(page).first).to_be_visible()
    texts = [float(text) for text in column(page, "mem_frag")]
    assert texts == sorted(texts)
    assert min(texts) > 1.5
    assert set(column(page, "team")) <= {"web", "feed", "ads"}


def test_the_address_has_all_of_the_view(tab: Tab) -> None:
    page = tab.go("#filter=site%3Deu-west-1&sort=-memory&group=label:team&columns=id,memory")
    expect(page.get_by_role("treegrid")).to_be_visible()
    expect(page.locator(".row.group")).to_have_count(3)
    expect(page.get_by_role("columnheader")).to_have_count(2)
    expect(page.get_by_role("columnheader", name="memory")).to_have_attribute(
        "aria-sort", "ascending"
    )
    expect(page.get_by_role("searchbox")).to_have_value("site=eu-west-1")


def test_groups_are_folded_and_unfolded_and_have_totals(tab: Tab) -> None:
    page = tab.go()
    page.get_by_label("Group by").select_option("primary")
    groups = page.locator(".row.group")
    expect(groups.first).to_contain_text("2 shards, 1 replicas with")
    page.keyboard.press("Escape")
    page.locator(".row.group button").first.focus()
    page.keyboard.press("ArrowRight")
    expect(groups.first).to_have_attribute("aria-expanded", "true")
    expect(page.locator('.row.shard[aria-level="2"]')).to_have_count(2)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")  # to the group, and once more to fold it
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".row.shard")).to_have_count(0)
    page.keyboard.press("+")
    expect(groups.first).to_have_attribute("aria-expanded", "true")
    expect(page.get_by_role("treegrid")).to_have_attribute("aria-rowcount", "751")


def test_columns_are_added_moved_removed_and_saved_as_a_set(tab: Tab) -> None:
    page = tab.go()
    page.keyboard.press("c")
    page.keyboard.type("expired_keys/s")
    page.keyboard.press("Enter")
    page.get_by_label("move up expired_keys/s").press("Enter")
    page.get_by_label("remove role").click()
    page.get_by_label("Name", exact=True).fill("mine")
    page.get_by_role("button", name="Save as a set").click()
    page.get_by_role("button", name="mine", exact=True).click()
    page.keyboard.press("Escape")
    page.wait_for_url("**columns=mine**")
    headings = page.get_by_role("columnheader").all_inner_texts()
    assert "expired_keys/s" in headings[-2:]
    assert "role" not in headings
    page.reload()
    expect(page.get_by_role("columnheader", name="expired_keys/s")).to_be_visible()


def test_a_copied_name_is_the_whole_id(tab: Tab) -> None:
    page = tab.go()
    page.keyboard.press("ArrowDown")
    copied = page.evaluate(
        """() => {
            const given = { clipboardData: new DataTransfer(), bubbles: true };
            const event = new ClipboardEvent("copy", given);
            document.activeElement.dispatchEvent(event);
            return event.clipboardData.getData("text/plain");
        }"""
    )
    assert copied in {shard.id for shard in tab.fleet.shards}


def test_a_phone_shows_state_name_and_one_number(fleet: FleetServer, open_page: OpenPage) -> None:
    page = ready(
        open_page(fleet, "#sort=memory", viewport={"width": 390, "height": 844}, has_touch=True)
    )
    expect(page.get_by_role("columnheader")).to_have_text(["state", "shard", "memory"])
    width = page.evaluate("document.documentElement.scrollWidth")
    scroller = page.locator(".scroller").evaluate("one => one.scrollWidth - one.clientWidth")
    assert (width, scroller) == (390, 0)
    rows(page).first.tap()
    page.wait_for_url("**shard=prod-**")


def test_stale_data_is_marked_and_never_zero(small_tab: Tab) -> None:
    page, fleet = small_tab.go(), small_tab.fleet
    expect(page.locator(".total.state.up")).to_contain_text("20")
    fleet.fresh, fleet.problem = False, "no reply from tcp://127.0.0.1:1"
    fleet.wake()
    expect(page.locator("#feed")).to_contain_text("STALE for")
    expect(page.locator("#feed")).to_contain_text("no reply from tcp://127.0.0.1:1")
    expect(page.locator("#announcement")).to_contain_text("The data is stale: no reply")
    expect(rows(page).first).to_contain_text("stale")
    assert set(column(page, "ops/s")) == {"-"}
    expect(page.locator(".total.ops")).to_have_text("- ops/s")
    expect(page.locator(".total.state.up")).to_be_hidden()
    fleet.fresh = True
    fleet.wake()
    ready(page)
    expect(page.locator(".total.state.up")).to_contain_text("20")


def test_a_shard_that_goes_down_says_why_and_since_when(small_tab: Tab) -> None:
    page, fleet = small_tab.go(), small_tab.fleet
    fleet.push()
    fleet.set_state(5, "down", "refused", "connection refused", ago=240)
    row = page.locator(".row.down")
    expect(row).to_have_count(1)
    expect(row).to_contain_text("down: refused, 4m")
    expect(row.locator("[role=gridcell]", has_text="down")).to_have_attribute(
        "title", "connection refused"
    )
    fleet.set_state(5, "up")
    expect(row).to_have_count(0)


def test_rates_are_those_of_two_polls_and_none_after_a_restart(open_page: OpenPage) -> None:
    with FleetServer(1) as fleet:
        shard = fleet.shards[0]
        page = ready(open_page(fleet, "#columns=id,expired_keys/s,total_commands_processed/s"))
        rate = rows(page).locator("[role=gridcell]").nth(1)
        expect(rate).to_have_text("-")
        fleet.push()
        expect(rate).to_have_text("0")
        shard.info["uptime_in_seconds"] = 0
        shard.info["expired_keys"] += 1000
        fleet.wake()
        expect(rate).to_have_text("-")


def test_the_stream_is_opened_again_after_it_ended(small_tab: Tab) -> None:
    page, fleet = small_tab.go(), small_tab.fleet
    fleet.end_streams()
    expect(page.locator("#feed")).to_contain_text("STALE")
    ready(page)


def test_a_hidden_tab_reads_nothing(small_tab: Tab) -> None:
    page, fleet = small_tab.go(), small_tab.fleet
    hide = """hidden => {
        Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
        document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)

    def closed() -> bool:
        fleet.wake()  # the server notices it when it writes
        return fleet.streams == 0

    wait_until(closed, 60, "the stream to be closed")
    page.evaluate(hide, False)
    wait_until(lambda: fleet.streams == 1, 60, "the stream to be opened")
    ready(page)


def test_a_token_is_asked_for_once_and_a_wrong_one_is_refused(open_page: OpenPage) -> None:
    with FleetServer(5, token="right") as fleet:
        page = open_page(fleet)
        box = page.get_by_role("textbox", name="Token")
        box.fill("wrong")
        box.press("Enter")
        expect(page.locator("#token-problem")).to_have_text(
            "The token was refused: the token is not known"
        )
        box.fill("right")
        box.press("Enter")
        ready(page)
        expect(page.locator("#token")).to_be_hidden()
        page.reload()
        ready(page)
        page.get_by_role("button", name="Sign out").click()
        expect(page.locator("#token")).to_be_visible()


def test_what_servers_report_is_text(open_page: OpenPage) -> None:
    hostile = '<img src=x onerror="document.title=1">'
    with FleetServer(3) as fleet:
        facts = fleet.shards[1].facts
        facts["id"] = fleet.shards[1].id = hostile
        facts["labels"] = {"cluster": hostile, "__proto__": hostile}
        facts["version"] = facts["reason"] = facts["error"] = hostile
        fleet.shards[2].info["used_memory"] = hostile
        page = ready(
            open_page(fleet, "#columns=id,version,used_memory,label:cluster,label:__proto__,reason")
        )
        expect(rows(page)).to_have_count(3)
        expect(rows(page).first).to_contain_text(hostile)
        page.get_by_label("Group by").select_option("cluster")
        expect(page.locator(".row.group")).to_have_count(3)
        assert page.locator("img").count() == 0
        assert page.title() == "zinfo"


def test_problems_are_listed_worst_first_with_what_to_do(small_tab: Tab) -> None:
    page, fleet = small_tab.go("#view=problems"), small_tab.fleet
    expect(page.locator(".empty")).to_have_text("No problems.")
    full = fleet.shards[2].info
    full |= {"used_memory": full["maxmemory"], "maxmemory_policy": "noeviction"}
    fleet.set_state(5, "down", "refused", "connection refused", ago=240)
    lines = page.locator(".row")
    expect(lines).to_have_count(2)
    expect(lines.first).to_contain_text("critical")
    expect(lines.first).to_contain_text("4m")
    expect(lines.first).to_contain_text("connection refused")
    expect(lines.last).to_contain_text("memory is nearly full")
    expect(lines.last).to_contain_text("Raise maxmemory")
    count = page.get_by_role("navigation").get_by_role("link", name="Problems")
    expect(count).to_contain_text("2")
    expect(count).to_have_attribute("title", "1 critical, 1 warning")
    page.keyboard.press("/")
    page.keyboard.type("state=down")
    expect(lines).to_have_count(1)
    page.keyboard.press("Enter")  # from the filter to the list, and to the shard
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    page.wait_for_url("**shard=prod-**")
    full["used_memory"] = 1000
    fleet.set_state(5, "up")
    expect(count).to_have_text("Problems")
