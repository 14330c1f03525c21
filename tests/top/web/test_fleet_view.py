"""The view that all pages share: computed once, with sparklines that are recent."""

from __future__ import annotations

from tests.top.fake import FakeSource
from zinfo.top.web.fleet_view import FleetView, FleetViewer
from zinfo.top.web.json_model import Sparks
from zinfo.views.filtering import Filter


def sparks(view: FleetView) -> list[Sparks]:
    return [cells.sparks for cells in view.cells.values()]


def updated_sparklines(before: FleetView, after: FleetView) -> int:
    """The number of shards whose sparklines were updated."""
    return sum(one is not other for one, other in zip(sparks(before), sparks(after), strict=True))


def test_pages_that_ask_at_about_the_same_time_get_the_same_view() -> None:
    source = FakeSource(3)
    viewer = FleetViewer(source)
    first = viewer.current()
    source.time += 0.25
    assert viewer.current() is first
    source.time += 0.5
    assert viewer.current() is not first


def test_each_shards_sparklines_are_updated_once_in_five_seconds() -> None:
    source = FakeSource(10)
    viewer = FleetViewer(source)
    drawn, before = [], viewer.current()
    for _ in range(10):
        source.time += 0.5
        source.set_statuses()
        view = viewer.current()
        drawn.append(updated_sparklines(before, view))
        before = view
    assert drawn == [0, 2] * 5


def test_after_a_while_without_a_page_no_picture_is_an_old_one() -> None:
    source = FakeSource(10)
    viewer = FleetViewer(source)
    before = viewer.current()
    source.time += 60
    source.set_statuses()
    assert updated_sparklines(before, viewer.current()) == 10


def test_a_page_gets_the_rows_that_match_its_filter() -> None:
    view = FleetViewer(FakeSource(4)).current()
    assert list(view.matching(Filter("site=ams"))) == ["10.0.0.0:6379", "10.0.0.2:6379"]
    assert view.head["totals"][0] == ["shards", "4"]
