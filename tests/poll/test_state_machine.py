"""Restarts and upgrades that replies show, with a run_id and without."""

from __future__ import annotations

import pytest

from zinfo.poll.hot_fields import HotFields
from zinfo.poll.state_machine import ShardStateMachine
from zinfo.shards.events import EventLog
from zinfo.shards.shard import RedisShard
from zinfo.shards.snapshot import Snapshot
from zinfo.wire.lifecycle import Event

DRAGONFLY = "redis_version:7.4.0 dragonfly_version:{} uptime_in_seconds:{} role:master"
REDIS = "redis_version:7.0.15 run_id:{} uptime_in_seconds:{} loading:0 role:master"


class Polled:
    """A shard whose replies a test gives."""

    def __init__(self) -> None:
        self.shard = RedisShard("db-1", None)
        self._log = EventLog()
        self._machine = ShardStateMachine(self._log)
        self._hot_fields = HotFields()
        self._previous: Snapshot | None = None
        self._at = 100.0
        self._read = 0

    def reply(self, fields: str, after: float = 1.0) -> None:
        """Give a reply, some seconds after the previous one."""
        self._at += after
        raw = "\r\n".join(["# Server", *fields.split(), ""]).encode()
        snapshot = Snapshot(raw, 1, self._at, self._at, self._previous)
        if self._hot_fields.read(snapshot):
            self._machine.on_reply(self.shard, snapshot, self._hot_fields, self._previous)
        self._previous = snapshot

    def events(self) -> list[Event]:
        """Return the events since the last call, without those of the state."""
        found = [one for one in self._log.since(self._read) if one.type != "up"]
        self._read = self._log.newest
        return found

    def types(self) -> list[str]:
        """Return the types of the events since the last call."""
        return [event.type for event in self.events()]


@pytest.fixture
def polled() -> Polled:
    return Polled()


def test_an_uptime_that_falls_is_a_restart_where_there_is_no_run_id(polled: Polled) -> None:
    for uptime in (1000, 1001, 1001, 1003):
        polled.reply(DRAGONFLY.format("df-v1.32.0", uptime))
    assert polled.types() == []
    polled.reply(DRAGONFLY.format("df-v1.32.0", 1), after=5)
    (event,) = polled.events()
    assert (event.type, event.old, event.new) == ("restarted", None, None)
    assert event.message == "uptime fell from 1003 to 1 s"
    polled.reply(DRAGONFLY.format("df-v1.32.0", 2))
    assert polled.types() == []


def test_an_upgrade_of_a_fork_is_reported_with_and_without_the_restart(polled: Polled) -> None:
    polled.reply(DRAGONFLY.format("df-v1.32.0", 1000))
    assert polled.shard.version == "df-v1.32.0"
    polled.reply(DRAGONFLY.format("df-v1.33.0", 1))
    assert polled.types() == ["restarted", "version_changed"]
    polled.reply(DRAGONFLY.format("df-v1.34.0", 2))  # as if its restart had been missed
    (event,) = polled.events()
    assert (event.type, event.old, event.new) == ("version_changed", "df-v1.33.0", "df-v1.34.0")
    assert event.message == ""
    polled.reply(REDIS.format("a", 1).replace("7.0.15", "7.0.14"))
    polled.reply(REDIS.format("a", 2))
    assert polled.types()[-1] == "version_changed"  # also with the same run_id


def test_a_change_of_the_server_is_named(polled: Polled) -> None:
    polled.reply(REDIS.format("a", 9))
    polled.reply(REDIS.format("b", 1).replace(":7.0.15", ":7.2.4 valkey_version:8.1.8"))
    restarted, changed = polled.events()
    assert restarted.type == "restarted"
    assert (changed.old, changed.new) == ("7.0.15", "8.1.8")
    assert changed.message == "redis_version:7.0.15 -> valkey_version:8.1.8"


def test_a_restart_between_two_distant_replies_is_seen_though_uptime_grew(polled: Polled) -> None:
    polled.reply(DRAGONFLY.format("df-v1.32.0", 10))
    polled.reply(DRAGONFLY.format("df-v1.32.0", 300), after=3600)
    (event,) = polled.events()
    assert event.type == "restarted"
    assert event.message == "the process was started 300 s ago, after the previous reply"


@pytest.mark.parametrize(
    ("before", "now", "after"),
    [
        ("1000", "999", 1.0),  # a corrected clock
        ("1000", "1003", 5.0),  # rounding and delays
        ("0", "0", 1.5),
        ("1000", "", 1.0),
        ("", "1", 1.0),
        ("1000", "-5", 1.0),
        ("1000", "9" * 5000, 1.0),
        ("1000", "many", 1.0),
    ],
)
def test_what_may_be_the_same_process_is_no_restart(
    before: str, now: str, after: float, polled: Polled
) -> None:
    polled.reply(DRAGONFLY.format("df-v1.32.0", before))
    polled.reply(DRAGONFLY.format("df-v1.32.0", now), after)
    assert polled.types() == []


def test_an_older_process_with_a_lower_uptime_is_described_as_what_it_may_be(
    polled: Polled,
) -> None:
    polled.reply(DRAGONFLY.format("df-v1.32.0", 90_000))
    polled.reply(DRAGONFLY.format("df-v1.32.0", 70_000))
    (event,) = polled.events()
    assert event.type == "restarted"
    assert "another server replies, or its clock was set back" in event.message


@pytest.mark.parametrize(
    ("uptime", "message"),
    [
        ("2", "the process was started 2 s ago"),
        ("86400", "another server replies at this address: its process was started 86400 s ago"),
        ("", ""),
    ],
)
def test_another_run_id_is_a_restart_or_another_server(
    uptime: str, message: str, polled: Polled
) -> None:
    polled.reply(REDIS.format("a", 50))
    polled.reply(REDIS.format("b", uptime))
    (event,) = polled.events()
    assert (event.type, event.old, event.new) == ("restarted", "a", "b")
    assert event.message.startswith(message)
    assert bool(event.message) == bool(message)


def test_a_run_id_that_appears_or_vanishes_is_a_restart_only_by_uptime(polled: Polled) -> None:
    polled.reply(DRAGONFLY.format("df-v1.32.0", 50))
    polled.reply(DRAGONFLY.format("df-v1.32.0", 51) + " run_id:a")
    assert polled.types() == []
    polled.reply(DRAGONFLY.format("df-v1.32.0", 1))
    assert polled.types() == ["restarted"]
