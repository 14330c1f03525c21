"""Fills the model from a daemon, while a view looks at it.

While views read the model, one thread reads the fields of the table of all shards, and the new
events, from the daemon once a second. Another thread reads the whole INFO of each shard whose page
is open. When no view has read the model for a few seconds, both stop until one does: then nothing
is requested, and the daemon has nothing to do for this process.

A view locks the model only while it reads, for milliseconds; it never waits for the network.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from zinfo.client import Client, ClientKeys, Event
from zinfo.client.sockets import clock
from zinfo.errors import NoAnswerError, ZinfoError
from zinfo.top.daemon_reader import HELLO_TIMEOUT, REQUEST_TIMEOUT, allowed_operations
from zinfo.top.daemons_text import slice_text
from zinfo.top.event_reader import read_events, state_changes
from zinfo.top.fleet_reader import FleetReader, FleetReading
from zinfo.top.history_feed import HistoryFeed
from zinfo.top.model import TopModel
from zinfo.top.record import Reading, Status
from zinfo.top.shard_feed import ShardFeed
from zinfo.top.table_reader import TableReader
from zinfo.top.wanted_fields import WantedFields
from zinfo.views.formatting import DAEMON_RESTARTED, RECONNECTED, STALE
from zinfo.wire.lifecycle import STATES
from zinfo.wire.slices import slice_from_map

logger = logging.getLogger(__name__)

DNS_SCHEME = "dns+tcp://"

INTERVAL = 1.0
"""Seconds between two readings of the table."""

LOOK_SECONDS = 3.0
"""Seconds after the last look at the model for which the feed goes on reading."""

STALE_AFTER = 2.0
"""Seconds for which the model must be stale before this counts as an event."""

_CPU_SHARE = 0.25  # of a core that reading may take, however many shards there are
_CLOSE_TIMEOUT = 4.0  # seconds
_RETRY_DELAY = 0.5  # seconds after a request without a reply
_PIECE = 500  # shards that are written to the model at a time


class Feed:
    """Keeps a `TopModel` up to date, until it is closed, while it is looked at. A context manager.

    Args:
        endpoints: query endpoint of the daemon, or of several that share the shards;
            `dns+tcp://NAME:PORT` stands for all addresses of a name.
        labels: those that a shard must have; None for any.
        keys: CURVE keys of this client and the daemon; None where the daemon requires none.

    Raises:
        ConfigError: the endpoint is invalid.
    """

    def __init__(
        self,
        endpoints: str | Collection[str],
        *,
        labels: Mapping[str, str] | None = None,
        keys: ClientKeys | None = None,
    ) -> None:
        given = (endpoints,) if isinstance(endpoints, str) else tuple(dict.fromkeys(endpoints))
        self.endpoint = " ".join(given)
        self._model = TopModel()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._closing = threading.Event()
        self._wanted = WantedFields()
        self._wake = threading.Event()  # set where the next reading must not wait
        self._looked = threading.Event()  # set by a look during a pause, which ends it
        self._looked_at = float("-inf")
        self._epoch: int | None = None
        self._labels = dict(labels or {})
        self._statuses: Mapping[str, Status] = {}  # as read last
        self._stale_since: float | None = None
        self._stale_reported = False
        self._several: FleetReader | None = None
        if len(given) > 1 or given[0].startswith(DNS_SCHEME):
            self._several = FleetReader(given, self._labels, keys)
        else:
            self._client = Client(given[0], timeout=REQUEST_TIMEOUT, retries=0, keys=keys)
            self._reader = TableReader(self._client, self._labels)
        self._shard_feed = ShardFeed(self._endpoint_of, self._model, self._lock, keys)
        self._history_feed = HistoryFeed(self._endpoint_of, self._model, self._lock, keys)
        self._thread = threading.Thread(target=self._run, name="zinfo-top-table", daemon=True)
        self._thread.start()

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @contextmanager
    def locked(self) -> Iterator[TopModel]:
        """Lock the model for the `with` block. This is a look, which keeps it up to date."""
        self._look()
        with self._lock:
            yield self._model

    def now(self) -> float:
        """Return the time by the model's clock."""
        return clock()

    def wait_ready(self, timeout: float = 10.0) -> None:
        """Wait until the model has all shards, and they are current.

        Args:
            timeout: seconds.

        Raises:
            NoAnswerError: that did not happen in time; the message has the reason, if known.
        """
        deadline = clock() + timeout
        self._look()
        with self._lock:
            while not (state := self._model.feed(clock())).fresh:
                left = deadline - clock()
                if left <= 0 or self._closing.is_set():
                    why = state.problem or "they were not read in time"
                    raise NoAnswerError(
                        f"no current shards of {self.endpoint} within {timeout:g} s: {why}; "
                        "is `zinfo serve` running there?"
                    )
                self._changed.wait(min(left, LOOK_SECONDS / 2))
                self._look()

    def want(self, view: str, fields: Collection[str]) -> None:
        """Have fields of INFO read of all shards, for `Row.info` and `Row.rates`.

        Args:
            view: a name of the view; what it wanted before is replaced.
            fields: what it needs beside `wanted_fields.BASE`; empty when the view is closed.
        """
        if self._wanted.set(view, fields):
            self._wake.set()

    def follow_shard(self, shard: str) -> None:
        """Have a shard's whole INFO read for the next seconds: its page is open."""
        self._shard_feed.follow(shard)

    def add_event(self, kind: str, message: str) -> None:
        """Add an event of the daemon or of the connection to it.

        Args:
            kind: its type.
            message: one line for people.
        """
        with self._lock:
            self._add_event(kind, message)

    def close(self) -> None:
        """End the threads. The model stays readable."""
        self._closing.set()
        self._wake.set()
        self._looked.set()
        self._shard_feed.close()
        self._history_feed.close()
        self._thread.join(_CLOSE_TIMEOUT)
        if self._thread.is_alive():  # it still waits for a reply
            return
        if self._several:
            self._several.close()
        else:
            self._client.close()

    def _endpoint_of(self, shard: str) -> str | None:
        return self._several.chosen.get(shard) if self._several else self.endpoint

    # --- looks

    def _look(self) -> None:
        self._looked_at = clock()
        if not self._looked.is_set():
            self._looked.set()

    def _is_looked_at(self) -> bool:
        return clock() - self._looked_at <= LOOK_SECONDS

    def _wait_for_look(self) -> None:
        """Request nothing until a view looks at the model."""
        with self._lock:
            self._model.pause()
            self._stale_since, self._stale_reported = None, False
        self._looked.clear()
        # A look between the check before and this line is not lost: its time is checked again.
        while not (self._is_looked_at() or self._closing.is_set()):
            self._looked.wait()
            self._looked.clear()
        (self._several or self._reader).forget()
        with self._lock:
            self._model.resume(clock())
            self._looked.set()

    # --- the thread

    def _run(self) -> None:
        while not self._closing.is_set():
            if not self._is_looked_at():
                self._wait_for_look()
                continue
            self._wake.clear()
            began, cpu_began = clock(), time.thread_time()
            try:
                self._update()
            except Exception:  # the model gets no report, and shows that
                logger.exception("updating the shards failed")
                self._closing.wait(_RETRY_DELAY)
            with self._lock:
                samples = self._model.unread_kinds()
            self._shard_feed.sample(samples)
            self._history_feed.wake()
            took, cpu = clock() - began, time.thread_time() - cpu_began
            if not self._closing.is_set():
                self._wake.wait(max(INTERVAL - took, cpu / _CPU_SHARE - took, took))

    def _update(self) -> None:
        """Read everything new, and write it to the model."""
        try:
            self._read()
        except ZinfoError as error:
            with self._lock:
                self._report(fresh=False, problem=str(error))

    def _read(self) -> None:
        if self._several:
            self._take(self._several.read(self._wanted.all()))
        else:
            self._read_one()

    def _take(self, found: FleetReading) -> None:
        """Write what several daemons have to the model."""
        missing, merged = tuple(map(str, found.coverage.missing)), found.merged
        with self._lock:
            for shard in found.moved:
                self._model.change_copy(shard)
            self._model.set_daemons(found.daemons, missing, merged.stale, merged.copies)
            self._model.add_events(found.events)
            if not found.answering:
                problems = [f"{name}: {why}" for name, why in found.problems.items()]
                self._model.report(clock(), fresh=False, problem="; ".join(problems))
                self._changed.notify_all()
                return
        self._write(merged.readings)
        with self._lock:
            self._model.set_statuses(merged.statuses, clock())
            self._changed.notify_all()

    def _read_one(self) -> None:
        hello = self._client.hello(timeout=HELLO_TIMEOUT)
        self._check_epoch(hello["epoch"])
        operations = allowed_operations(hello)
        with self._lock:
            since = self._model.events_complete_to
        found = read_events(self._client, operations, since)
        events = found.events if found else []
        table = self._reader.read(
            operations, self._wanted.all(), {event.shard for event in events if event.shard}
        )
        before, self._statuses = self._statuses, table.statuses
        if found is None:
            events = state_changes(before, table.statuses, time.time())
        elif self._labels:
            held = before.keys() | table.statuses.keys()
            events = [event for event in events if not event.shard or event.shard in held]
        with self._lock:
            for event in events:
                if event.type in STATES:
                    self._model.set_state(event.shard, event.type, event.reason)
        self._write(table.readings)
        with self._lock:
            self._model.set_daemons(slice_text(slice_from_map(hello.get("slice"))))
            self._model.set_statuses(table.statuses, clock())
            self._model.add_events(events)
            if found is not None:
                self._model.mark_events_complete(found.newest)
            self._report(fresh=True)

    def _check_epoch(self, epoch: int) -> None:
        if epoch == self._epoch:
            return
        with self._lock:
            if self._epoch is not None:
                self._model.daemon_restarted()
                self._add_event(DAEMON_RESTARTED, "the daemon was restarted")
                self._stale_since, self._stale_reported = None, False
        self._epoch = epoch
        self._reader.forget()

    def _write(self, readings: Sequence[Reading]) -> None:
        """Write the new INFO to the model, in pieces: a view does not wait for long."""
        for start in range(0, len(readings), _PIECE):
            with self._lock:
                for reading in readings[start : start + _PIECE]:
                    if not self._shard_feed.follows(reading.shard):
                        self._model.update(reading)

    def _report(self, *, fresh: bool, problem: str = "") -> None:
        """Report whether the model is current; it is locked."""
        now = clock()
        self._model.report(now, fresh=fresh, problem=problem)
        if fresh:
            if self._stale_reported:
                self._add_event(RECONNECTED, "the daemon responds again")
            self._stale_since, self._stale_reported = None, False
        elif self._epoch is not None:
            if self._stale_since is None:
                self._stale_since = now
            if not self._stale_reported and now - self._stale_since >= STALE_AFTER:
                self._stale_reported = True
                self._add_event(STALE, problem)
        self._changed.notify_all()

    def _add_event(self, kind: str, message: str) -> None:
        self._model.add_events([Event("", kind, None, None, "", message, 0, 0, time.time())])
