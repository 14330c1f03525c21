"""Messages to pages: made once for all pages with the same filter, and complete for each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.promises import Promise
from tests.top.fake import FakeSource
from zinfo.top.web import channels as module
from zinfo.top.web.channels import Channels, FleetChannel, ShardChannel
from zinfo.top.web.fleet_view import FleetViewer
from zinfo.views.filtering import Filter

SHARD = "10.0.0.0:6379"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    found: list[object] = []
    message = module.message

    def counted(value: object) -> bytes:
        found.append(value)
        return message(value)

    monkeypatch.setattr(module, "message", counted)
    return found


class Page:
    """What a browser has of the table."""

    def __init__(self, channel: FleetChannel) -> None:
        self._channel = channel
        self._number = 0
        self.rows: dict[str, dict[int, str]] = {}
        self.events: Any = None

    def current(self) -> bool:
        """Take what is sent; return whether the stream goes on."""
        found = self._channel.since(self._number)
        if found is None:
            return False
        self._number, messages = found
        for one in filter(None, messages.split(b"\n\n")):
            update = json.loads(one.removeprefix(b"data: "))
            for shard in update["gone"]:
                del self.rows[shard]
            for shard, row in update["rows"].items():
                cells = self.rows.setdefault(shard, {})
                cells.update({at: text for at, text, _key in row["cells"]})
            self.events = update.get("events", self.events)
        return True


def test_pages_of_one_filter_are_sent_the_same_bytes(made: list[object], promise: Promise) -> None:
    source = FakeSource(4)
    channel = FleetChannel(FleetViewer(source), Filter(""))
    pages = [Page(channel) for _ in range(50)]
    for _ in range(5):
        source.poll_all()
        for page in pages:
            assert page.current()
    promise("50 pages look 5 times", "6 messages are made: 5, and a whole one", f"{len(made)}")
    assert len(made) == 6
    late = Page(channel)
    late.current()
    assert late.rows == pages[0].rows
    assert len(late.rows) == 4
    assert late.events == pages[0].events


def test_a_page_that_is_behind_gets_all_it_lacks_or_reconnects() -> None:
    source = FakeSource(4)
    channel = FleetChannel(FleetViewer(source), Filter("ops>1000"))
    often, seldom, never = Page(channel), Page(channel), Page(channel)
    for page in (often, seldom, never):
        page.current()
    seen = set()
    for turn in range(40):
        source.poll_all()
        assert often.current()
        seen.add(frozenset(often.rows))
        if turn % 20 == 19:
            assert seldom.current()
            assert seldom.rows == often.rows
    assert len(seen) > 1, "rows came and went"
    assert not never.current()


def test_a_shards_page_is_made_once_for_all(made: list[object]) -> None:
    source = FakeSource(1)
    channel = ShardChannel(source, SHARD)
    assert len({channel.newest() for _ in range(50)}) == 1
    assert len(made) == 1
    assert source.wanted == [SHARD]
    channel._made_at -= 1
    channel.newest()
    assert len(made) == 2


def test_a_channel_lasts_as_long_as_a_page_listens() -> None:
    channels: Channels[list[str]] = Channels(lambda name: [name])
    with channels.listening("a") as one, channels.listening("b") as other:
        with channels.listening("a") as same:
            assert same is one
            assert other == ["b"]
        with channels.listening("a") as same:
            assert same is one
        assert len(channels) == 2
    assert not channels
    with channels.listening("a") as second:
        assert second is not one
