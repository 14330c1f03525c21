"""Parts that die are told, counted and run again; one that cannot be kept alive ends it all."""

from __future__ import annotations

import logging

import gevent
import pytest

from tests.waiting import wait_until
from zinfo.health.stats import Stats
from zinfo.loop.supervisor import Supervisor


def test_a_part_that_dies_is_logged_counted_and_run_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stats, told, runs = Stats(), list[str](), list[int]()

    def part() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise ValueError("boom")
        if len(runs) == 2:
            return  # to end is to die, too
        gevent.sleep(60)  # alive until the supervisor stops it

    supervisor = Supervisor(
        stats.count_restart, told.append, lambda name, error: told.append(f"{name}: {error}")
    )
    with caplog.at_level(logging.ERROR):
        supervisor.spawn("part", part)
        wait_until(lambda: len(runs) == 3, what="the third run")
    supervisor.stop()
    assert stats.restarts == {"part": 2}
    assert told == ["part: boom", "part: part ended without being told to"]
    assert "Traceback" in caplog.text
    assert "boom" in caplog.text


def test_a_part_that_cannot_be_kept_alive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zinfo.loop.supervisor._LONGEST_PAUSE", 0.001)
    given_up: list[str] = []

    def part() -> None:
        raise RuntimeError("never")

    supervisor = Supervisor(give_up=given_up.append)
    supervisor.spawn("part", part)
    wait_until(lambda: given_up == ["part"], what="giving up")
    supervisor.stop()
