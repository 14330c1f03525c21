"""Tasks that crash are reported, counted and restarted; one that crashes too often is given up."""

from __future__ import annotations

import logging

import gevent
import pytest

from tests.waiting import wait_until
from zinfo.health.stats import Stats
from zinfo.loop.supervisor import Supervisor


def test_a_task_that_crashes_is_logged_counted_and_restarted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stats, reported, runs = Stats(), list[str](), list[int]()

    def task() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise ValueError("boom")
        if len(runs) == 2:
            return  # counts as a crash, too
        gevent.sleep(60)  # alive until the supervisor stops it

    supervisor = Supervisor(
        stats.count_restart,
        reported.append,
        lambda name, error: reported.append(f"{name}: {error}"),
    )
    with caplog.at_level(logging.ERROR):
        supervisor.spawn("task", task)
        wait_until(lambda: len(runs) == 3, what="the third run")
    supervisor.stop()
    assert stats.restarts == {"task": 2}
    assert reported == [
        "task: boom",
        "task: task returned, although it is to run until it is stopped",
    ]
    assert "Traceback" in caplog.text
    assert "boom" in caplog.text


def test_a_task_that_crashes_too_often_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zinfo.loop.supervisor._MAX_BACKOFF", 0.001)
    given_up: list[str] = []

    def task() -> None:
        raise RuntimeError("never")

    supervisor = Supervisor(give_up=given_up.append)
    supervisor.spawn("task", task)
    wait_until(lambda: given_up == ["task"], what="giving up")
    supervisor.stop()
