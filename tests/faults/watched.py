"""A daemon that is told of shards while it runs, and words to look at what it says of each."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from tests.daemons import RunningDaemon
from tests.waiting import wait_until

INTERVAL = 0.25
"""Seconds between two polls of a shard, in these tests."""

TIMEOUT = 1.0
"""Seconds for an answer, and for a connection, in these tests."""

BACKOFF = 1.0
"""Seconds between two tries of a shard that fails, at most, in these tests."""

SLACK = 0.5
"""Seconds that a busy machine may add to what zinfo promises."""

POLL = {
    "min_interval": INTERVAL,
    "max_interval": INTERVAL,
    "timeout": TIMEOUT,
    "connect_timeout": TIMEOUT,
    "max_backoff": BACKOFF,
    "jitter": 0.0,
}

LONG = 30.0
"""Seconds until a test gives up waiting for what has no bound of its own."""


@dataclass(frozen=True)
class Watched:
    """One shard, as the daemon's clients see it.

    Attributes:
        house: the daemon that watches it.
        id: of the shard.
    """

    house: House
    id: str

    def facts(self) -> dict[str, Any]:
        """What `shards` says of it."""
        body: Any = self.house.daemon.ask("shards", ids=[self.id]).body
        assert len(body) == 1
        return dict(body[0])

    def state(self) -> tuple[str, str]:
        """Its state and reason."""
        facts = self.facts()
        return facts["state"], facts["reason"]

    def info(self, *keys: str) -> dict[str, Any]:
        """What `get_infos` says of it."""
        body: Any = self.house.daemon.ask("get_infos", shard_ids=[self.id], keys=keys).body
        assert len(body) == 1, body
        return dict(body[0])

    def events(self, since: int = 0) -> list[dict[str, Any]]:
        """Its events after a number."""
        body: Any = self.house.daemon.ask("events", ids=[self.id], since=since).body
        return list(body)

    def types(self, since: int = 0) -> list[str]:
        """The types of its events after a number."""
        return [event["type"] for event in self.events(since)]

    def wait_event(self, type_: str, since: int = 0, timeout: float = LONG) -> dict[str, Any]:
        """Wait for an event of a type after a number."""

        def found() -> dict[str, Any] | None:
            events = self.events(since)
            return next((event for event in events if event["type"] == type_), None)

        what = f"event {type_} of {self.id}"
        event = wait_until(found, timeout, what)
        assert event is not None
        return event

    def wait_up(self) -> None:
        """Wait until it is up and was polled."""
        wait_until(lambda: self.state() == ("up", ""), LONG, f"{self.id} to be up")

    def wait_polls(self, more: int = 2) -> None:
        """Wait until it was polled that many times more."""
        goal = self.facts()["revision"] + more
        wait_until(lambda: self.facts()["revision"] >= goal, LONG, f"revision {goal} of {self.id}")

    def assert_known(self, state: str, revision: int) -> None:
        """Assert that the INFO of a revision is readable, ages and tells the shard's state."""
        first = self.info("run_id", "role")
        assert first["run_id"]
        assert first["meta"]["state"] == state
        assert first["meta"]["revision"] == revision
        time.sleep(0.1)  # the age is what is looked at
        second = self.info("run_id", "role")["meta"]
        assert second["revision"] == revision
        assert 0.1 <= second["info_age"] - first["meta"]["info_age"] < 5
        assert second["time"] == first["meta"]["time"]


class House:
    """A running daemon whose list of shards grows.

    Args:
        daemon: with a configuration file.
        head: the file's text but for the shards.
    """

    def __init__(self, daemon: RunningDaemon, head: str) -> None:
        self.daemon = daemon
        self._text = head

    def watch(self, ident: str, url: str, **options: object) -> Watched:
        """Have one more shard watched; returns once the daemon knows it."""
        (watched,) = self.watch_all({ident: url}, **options)
        return watched

    def watch_all(self, urls: dict[str, str], **options: object) -> list[Watched]:
        """Have more shards watched, which have the same options."""
        for ident, url in urls.items():
            self._text += "\n[[shards]]\n" + toml({"id": ident, "url": url, **options})
        self.daemon.config_path.write_text(self._text, encoding="utf-8")
        self.daemon.signal(signal.SIGHUP)
        ids = list(urls)
        wait_until(
            lambda: self.daemon.ask("shards", ids=ids, limit=1).error is None,
            LONG,
            f"shards {ids[:3]} to be known:\n{self.daemon.log()[-2000:]}",
        )
        return [Watched(self, ident) for ident in ids]

    def all_facts(self) -> list[dict[str, Any]]:
        """What `shards` says of all."""
        body: Any = self.daemon.ask("shards").body
        return list(body)

    def wait_polled(self, times: int = 1, timeout: float = LONG) -> None:
        """Wait until all are up and were polled so many times."""

        def left() -> list[str]:
            facts = self.all_facts()
            return [f["id"] for f in facts if f["state"] != "up" or f["revision"] < times]

        wait_until(lambda: not left(), timeout, "all shards to be up")

    def newest(self) -> int:
        """Number of the newest event so far."""
        newest: Any = self.daemon.ask("events", limit=1).header["newest"]
        return int(newest)

    def stats(self) -> dict[str, Any]:
        """What `stats` says."""
        body: Any = self.daemon.ask("stats").body
        return dict(body)

    def memory(self) -> int:
        """Bytes that the daemon has in memory."""
        return int(psutil.Process(self.daemon.pid).memory_info().rss)


def toml(values: dict[str, Any]) -> str:
    """Lines of a TOML table: text, numbers and booleans are written as in JSON."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


@contextlib.contextmanager
def house(environ: dict[str, str] | None = None, **poll: float) -> Iterator[House]:
    """Run a daemon with short times.

    Args:
        environ: variables for it.
        poll: keys of `[poll]` that are to be other than `POLL`.
    """
    head = "[local]\nenabled = false\n[poll]\n" + toml({**POLL, **poll})
    with RunningDaemon(config_text=head, environ=environ) as daemon:
        yield House(daemon, head)


def late_share(before: dict[str, Any], after: dict[str, Any], bound: float) -> tuple[int, float]:
    """Of the polls between two `stats`: how many, and which part began at most `bound` late."""
    began = {name: count - before["late"][name] for name, count in after["late"].items()}
    polls = sum(began.values())
    in_time = sum(n for name, n in began.items() if name != "more" and float(name) <= bound)
    return polls, in_time / polls if polls else 1.0


def percentile(before: dict[str, Any], after: dict[str, Any], part: float) -> str:
    """The bound, in seconds, within which that part of the polls between two `stats` began."""
    for name in after["late"]:
        if name == "more" or late_share(before, after, float(name))[1] >= part:
            return name if name == "more" else f"{float(name):g} s"
    raise AssertionError("unreachable: the last one holds all")
