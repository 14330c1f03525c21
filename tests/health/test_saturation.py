"""Saturation: noticed when it lasts, told once, and told when it is over."""

from __future__ import annotations

import pytest

from zinfo.health.saturation import Saturation
from zinfo.health.stats import Stats
from zinfo.shards.events import EventLog


class Second:
    """A second of polling: how many intervals of a second were wanted, and how late polls were."""

    def __init__(self, stats: Stats, saturation: Saturation) -> None:
        self.stats = stats
        self.saturation = saturation

    def passes(self, wanted: float, late: float) -> None:
        self.stats.poll.wanted_seconds += wanted
        self.stats.poll.lateness.sum += late
        self.saturation.look()


def test_it_is_told_when_it_lasts_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    stats, log = Stats(), EventLog()
    saturation = Saturation(stats, log)
    second = Second(stats, saturation)
    for wanted, late in ((100, 1), (100, 80), (100, 80), (100, 2), (0, 0), (100, 90), (100, 90)):
        second.passes(wanted, late)
    second.passes(50, 0)  # answers to what began before; nothing begins
    assert stats.stretch == 1.9
    assert (log.newest, stats.saturated) == (0, False)
    second.passes(50, 100)
    assert stats.stretch == 2.0
    (event,) = log.since()
    assert (event.shard, event.type, event.old, event.new) == ("", "saturated", "no", "yes")
    assert "2.0 times" in event.message
    assert "2.0 times" in caplog.text
    for late in (100, 15, 15, 15, 5, 5):
        second.passes(100, late)
    assert log.newest == 1
    second.passes(100, 5)
    assert [event.new for event in log.since()] == ["yes", "no"]
