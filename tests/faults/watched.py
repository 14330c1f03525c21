"""A daemon that gets more shards while it runs, and helpers to check what it reports of each."""

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
"""Seconds between two polls of a shard."""

TIMEOUT = 15.0
"""Seconds for a reply, and for a connect; more than a healthy shard needs on a busy machine."""

SHORT = {"timeout": 1.0, "connect_timeout": 1.0}
"""Options of a shard that is to time out: its server does not reply at all."""

BACKOFF = 1.0
"""The most seconds between two attempts to connect to a shard that fails."""

POLL = {
    "min_interval": INTERVAL,
    "max_interval": INTERVAL,
    "timeout": TIMEOUT,
    "connect_timeout": TIMEOUT,
    "max_backoff": BACKOFF,
    "jitter": 0.0,
}

NEVER = {"min_interval": 3600.0, "max_interval": 3600.0}
"""Options of a shard that is polled only when it is connected: nothing else can notice a fault."""

LONG = 60.0
"""Seconds after which a wait fails; it only ends a test that hangs."""


@dataclass(frozen=True)
class Watched:
    """One shard, as the daemon's clients see it.

    Attributes:
        watching: the daemon that polls it.
        id: id of the shard.
    """

    watching: WatchingDaemon
    id: str

    def facts(self) -> dict[str, Any]:
        """Return its entry in the reply to `shards`."""
        body: Any = self.watching.daemon.ask("shards", ids=[self.id]).body
        assert len(body) == 1
        return dict(body[0])

    def state(self) -> tuple[str, str]:
        """Return its state and reason."""
        facts = self.facts()
        return facts["state"], facts["reason"]

    def info(self, *keys: str) -> dict[str, Any]:
        """Return its entry in the reply to `get_infos`."""
        body: Any = self.watching.daemon.ask("get_infos", shard_ids=[self.id], keys=keys).body
        assert len(body) == 1, body
        return dict(body[0])

    def events(self, since: int = 0) -> list[dict[str, Any]]:
        """Return its events after a number."""
        body: Any = self.watching.daemon.ask("events", ids=[self.id], since=since).body
        return list(body)

    def types(self, since: int = 0) -> list[str]:
        """Return the types of its events after a number."""
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
        """Wait until it was polled `more` times from now on."""
        goal = self.facts()["revision"] + more
        wait_until(lambda: self.facts()["revision"] >= goal, LONG, f"revision {goal} of {self.id}")

    def wait_failures(self, more: int = 2) -> None:
        """Wait until `more` further attempts to poll it have failed."""
        goal = self.facts()["failures"] + more
        wait_until(lambda: self.facts()["failures"] >= goal, LONG, f"failures of {self.id}")

    def assert_known(self, state: str, revision: int) -> None:
        """Assert that INFO of a revision can be read, that its age grows, and the shard's state."""
        first = self.info("run_id", "role")
        assert first["run_id"]
        assert first["meta"]["state"] == state
        assert first["meta"]["revision"] == revision
        time.sleep(0.1)  # in which the age must grow
        second = self.info("run_id", "role")["meta"]
        assert second["revision"] == revision
        assert second["info_age"] - first["meta"]["info_age"] >= 0.1
        assert second["time"] == first["meta"]["time"]


class WatchingDaemon:
    """A running daemon to which shards can be added.

    Args:
        daemon: has a configuration file.
        head: the text of that file without the shards.
    """

    def __init__(self, daemon: RunningDaemon, head: str) -> None:
        self.daemon = daemon
        self._text = head

    def watch(self, ident: str, url: str, **options: object) -> Watched:
        """Add a shard to the configuration; return when the daemon lists it."""
        (watched,) = self.watch_all({ident: url}, **options)
        return watched

    def watch_all(self, urls: dict[str, str], **options: object) -> list[Watched]:
        """Add shards with the same options; return when the daemon lists them."""
        return self.watch_each(
            [{"id": ident, "url": url, **options} for ident, url in urls.items()]
        )

    def watch_each(self, shards: list[dict[str, Any]]) -> list[Watched]:
        """Add shards, each as a table with `id`, `url` and options, with one reload."""
        for table in shards:
            self._text += "\n[[shards]]\n" + toml(table)
        self.daemon.config_path.write_text(self._text, encoding="utf-8")
        self.daemon.signal(signal.SIGHUP)
        ids = [table["id"] for table in shards]
        wait_until(
            lambda: self.daemon.ask("shards", ids=ids, limit=1).error is None,
            LONG,
            f"shards {ids[:3]} to be listed:\n{self.daemon.log()[-2000:]}",
        )
        return [Watched(self, ident) for ident in ids]

    def all_facts(self) -> list[dict[str, Any]]:
        """Return the reply to `shards`."""
        body: Any = self.daemon.ask("shards").body
        return list(body)

    def wait_polled(self, times: int = 1, timeout: float = LONG) -> None:
        """Wait until all shards are up and were polled `times` times."""

        def left() -> list[str]:
            facts = self.all_facts()
            return [f["id"] for f in facts if f["state"] != "up" or f["revision"] < times]

        wait_until(lambda: not left(), timeout, "all shards to be up")

    def newest(self) -> int:
        """Return the number of the newest event."""
        newest: Any = self.daemon.ask("events", limit=1).header["newest"]
        return int(newest)

    def stats(self) -> dict[str, Any]:
        """Return the reply to `stats`."""
        body: Any = self.daemon.ask("stats").body
        return dict(body)

    def memory(self) -> int:
        """Return the resident memory of the daemon, in bytes."""
        return int(psutil.Process(self.daemon.pid).memory_info().rss)


def toml(values: dict[str, Any]) -> str:
    """Return the lines of a TOML table; text, numbers and booleans are written as in JSON."""
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items())


@contextlib.contextmanager
def watching_daemon(
    environ: dict[str, str] | None = None, **poll: float
) -> Iterator[WatchingDaemon]:
    """Run a daemon with short intervals and timeouts.

    Args:
        environ: environment variables for it.
        poll: keys of `[poll]` that differ from `POLL`.
    """
    head = "[local]\nenabled = false\n[poll]\n" + toml({**POLL, **poll})
    with RunningDaemon(config_text=head, environ=environ) as daemon:
        yield WatchingDaemon(daemon, head)


def share_on_time(before: dict[str, Any], after: dict[str, Any], bound: float) -> tuple[int, float]:
    """Return the number of polls between two `stats`, and the part that started in time.

    In time is at most `bound` seconds late.
    """
    started = {name: count - before["late"][name] for name, count in after["late"].items()}
    polls = sum(started.values())
    in_time = sum(n for name, n in started.items() if name != "more" and float(name) <= bound)
    return polls, in_time / polls if polls else 1.0


def percentile(before: dict[str, Any], after: dict[str, Any], part: float) -> str:
    """Return the bound of lateness within which this part of the polls started."""
    for name in after["late"]:
        if name == "more" or share_on_time(before, after, float(name))[1] >= part:
            return name if name == "more" else f"{float(name):g} s"
    raise AssertionError("unreachable: the last bucket has all polls")
