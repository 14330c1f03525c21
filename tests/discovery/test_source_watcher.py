"""A program's own source of shards has the guards of the sources of a daemon."""

from __future__ import annotations

from collections.abc import Mapping

import gevent
import pytest

from tests.waiting import wait_until
from zinfo import Guard, ShardPublisher, SourceWatcher, Target
from zinfo.discovery import source_reader
from zinfo.errors import SourceError
from zinfo.shards.events import EventLog
from zinfo.shards.shard import ShardState

URL = "redis://127.0.0.1:1"


class Own(SourceWatcher):
    """Lists what the test sets."""

    listed: Mapping[str, str | Target] | Exception | None = None
    reads = 0

    def read(self) -> Mapping[str, str | Target] | None:
        self.reads += 1
        if isinstance(self.listed, Exception):
            raise self.listed
        return self.listed

    def lists(self, listed: Mapping[str, str | Target] | Exception | None) -> None:
        """List this, and wait until that was followed."""
        self.listed = listed
        until = self.reads + 2
        wait_until(lambda: self.reads >= until, what="two reads", sleep=gevent.sleep)


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a failing source again soon."""
    monkeypatch.setattr(source_reader, "MAX_BACKOFF", 0.05)


def test_urls_and_targets_become_live_with_the_options_of_the_watcher() -> None:
    publisher = ShardPublisher()
    with Own(publisher, interval=0.01, username="zinfo") as watcher:
        watcher.lists({"a": URL, "b": Target("unix:///tmp/s", {"site": "fra"})})
        assert set(watcher.shards) == publisher.get_live_shard_ids() == {"a", "b"}
        shard = publisher.get_shard("b")
        assert shard.labels == {"site": "fra"}
        assert shard.redis_conn.username == "zinfo"
        watcher.lists({"a": URL, "b": Target("unix:///tmp/s", {"site": "ams"})})
        assert publisher.get_shard("b") is shard
        assert shard.labels == {"site": "ams"}


def test_a_url_that_cannot_be_used_is_skipped_and_logged_once_without_its_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    publisher = ShardPublisher()
    with Own(publisher, interval=0.01) as watcher:
        listed: dict[str, str | Target] = {"a": URL, "b": "http://u:secret@h"}
        listed |= {"c": "redis://:secret@h:99999", "d": Target(URL, {}, "x")}
        watcher.lists(listed)
        watcher.lists(listed)
        assert publisher.get_live_shard_ids() == {"a"}
        (status,) = watcher.source_statuses()
        assert sum(status.skipped.values()) == 3
    assert len(caplog.records) == 1
    assert "3 skipped" in caplog.text
    assert "secret" not in caplog.text


def test_a_source_that_fails_or_forgets_servers_that_reply_removes_none() -> None:
    publisher, events = ShardPublisher(), EventLog()
    faults: list[str] = []
    publisher.subscribe_faults(lambda part, _error: faults.append(part))
    everything = {f"s{number}": URL for number in range(4)}
    guard = Guard(misses=1, hold=0.0)
    with Own(publisher, name="cmdb", interval=0.01, guard=guard, events=events) as watcher:
        watcher.lists(everything)
        for shard in publisher.get_live_shards():
            shard.state = ShardState.UP
        watcher.lists(SourceError("refused"))
        assert faults == []
        watcher.listed = ValueError("a bug")
        wait_until(lambda: faults, what="the fault", sleep=gevent.sleep)
        assert faults == ["source cmdb"]
        watcher.lists({"s0": URL})
        assert len(publisher) == 4
        assert [(event.type, event.reason) for event in events.since()] == [
            ("source_failed", "cmdb"),
            ("source_held", "cmdb"),
            ("source_recovered", "cmdb"),
        ]
        assert watcher.accept() == 3
        wait_until(lambda: len(publisher) == 1, what="the removal", sleep=gevent.sleep)
        watcher.lists(None)
        assert len(publisher) == 1
    assert len(publisher) == 0


def test_an_unknown_option_raises_at_once() -> None:
    with pytest.raises(TypeError):
        Own(ShardPublisher(), pasword="secret")
