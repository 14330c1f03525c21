"""Saturation is reported once when it lasts, and once when it is over."""

from __future__ import annotations

import pytest

from zinfo.health.saturation import Saturation
from zinfo.health.stats import Stats
from zinfo.shards.events import EventLog


class Clock:
    """Adds the counters of one second of polling, then has them checked."""

    def __init__(self, stats: Stats, saturation: Saturation) -> None:
        self.stats = stats
        self.saturation = saturation

    def second(self, wanted: float, lateness: float) -> None:
        """Add seconds of wanted intervals, and seconds by which polls started late."""
        self.stats.poll.wanted_seconds += wanted
        self.stats.poll.lateness.sum += lateness
        self.saturation.check()


def test_saturation_is_reported_after_three_checks_and_so_is_its_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stats, log = Stats(), EventLog()
    saturation = Saturation(stats, log)
    clock = Clock(stats, saturation)
    for wanted, late in ((100, 1), (100, 80), (100, 80), (100, 2), (0, 0), (100, 90), (100, 90)):
        clock.second(wanted, late)
    clock.second(50, 0)  # replies to earlier requests; no poll starts
    assert stats.stretch == 1.9
    assert (log.newest, stats.saturated) == (0, False)
    clock.second(50, 100)
    assert stats.stretch == 2.0
    (event,) = log.since()
    assert (event.shard, event.type, event.old, event.new) == ("", "saturated", "no", "yes")
    assert "2.0 times" in event.message
    assert "2.0 times" in caplog.text
    for late in (100, 15, 15, 15, 5, 5):
        clock.second(100, late)
    assert log.newest == 1
    clock.second(100, 5)
    assert [event.new for event in log.since()] == ["yes", "no"]
