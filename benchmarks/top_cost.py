"""CPU time of `zinfo top --web`, without and with an open page."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection
from typing import Any

from benchmarks.figures import Figure, FigureList
from benchmarks.progress import log_progress
from benchmarks.script import Scale, main
from benchmarks.servers import loaded_servers
from benchmarks.top_page import Page, TopWeb, running_top
from benchmarks.worker import Worker
from tests.waiting import wait_until

NUMBERS = ("w1", "w2")

_INTERVAL = 1.0  # seconds between two polls of a shard
_SETTLE = 2  # lengths of a round after a page is opened, before it is measured
_LEFT = 4  # after it is closed: top goes on for some seconds, in case it is only reloaded
_MIN_SECONDS = 2.0  # measured with a page, which gets a message a second
_TIMEOUT = 60.0  # seconds for a page to have all shards


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure the process while every shard is polled every second."""
    figures = FigureList(wanted)
    without: list[dict[str, Any]] = []
    beside: list[dict[str, Any]] = []
    with contextlib.ExitStack() as stack:
        servers = stack.enter_context(loaded_servers(shards=scale.shards))
        daemon = stack.enter_context(
            Worker("timed_daemon", urls=servers.urls, shards=scale.shards, interval=_INTERVAL)
        )
        top = stack.enter_context(running_top(daemon.started["query"]))
        with Page(top.url) as page:  # it is measured as it is after its first page
            _wait_for(page, scale)
        for turn in range(1, scale.rounds + 1):
            time.sleep(_LEFT * scale.seconds)  # part of the method, as below
            without.append(_measure(top, scale.seconds))
            with Page(top.url) as page:
                _wait_for(page, scale)
                time.sleep(_SETTLE * scale.seconds)
                before = page.counts()
                cost = _measure(top, max(_MIN_SECONDS, scale.seconds))
                read = {name: count - before[name] for name, count in page.counts().items()}
                beside.append({**cost, "page": {**read, "shards": len(page.shards)}})
            log_progress(
                f"top_cost: round {turn} of {scale.rounds}: no browser "
                f"{_share(without[-1]):.2f} %, one browser {_share(beside[-1]):.2f} % of a core"
            )
    for number, costs in (("w1", without), ("w2", beside)):
        detail = {"rounds": costs, "servers": servers.facts}
        figures.add(number, [_share(cost) for cost in costs], detail)
    return figures.all


def _wait_for(page: Page, scale: Scale) -> None:
    wait_until(lambda: len(page.shards) == scale.shards, _TIMEOUT, "the page to have all shards")


def _measure(top: TopWeb, seconds: float) -> dict[str, Any]:
    began, before = time.monotonic(), top.cost()
    time.sleep(seconds)
    after = top.cost()
    return {
        "cpu": after["cpu"] - before["cpu"],
        "wall": time.monotonic() - began,
        "memory": after["memory"],
    }


def _share(cost: dict[str, Any]) -> float:
    """Return the CPU time in percent of a core."""
    return float(100 * cost["cpu"] / cost["wall"])


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
