"""Fills the model from a daemon: a Mirror for present data, a Client for past events and sections.

Three threads write to the model: the Mirror's own, one that updates the statuses of all shards, and
one that sends requests, which may take a while. A view locks the model only while it reads, for
milliseconds; it never waits for the network.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from zinfo.client import Client, ClientKeys, Delta, Event, Mirror
from zinfo.client.sockets import clock
from zinfo.errors import NoAnswerError, NotAllowedError, ZinfoError
from zinfo.top.event_log import MAX_EVENTS
from zinfo.top.fleet import Fleet
from zinfo.top.formatting import DAEMON_RESTARTED, RECONNECTED, STALE
from zinfo.top.record import Status
from zinfo.top.sections import fetch_sections
from zinfo.wire.lifecycle import ADDED, STATES

logger = logging.getLogger(__name__)

UPDATE_INTERVAL = 0.25
"""Seconds between two updates of all statuses."""

STALE_AFTER = 2.0
"""Seconds for which the model must be stale before this counts as an event."""

_UPDATE_SHARE = 0.1  # of the time that updates may take, however many shards there are
_REQUEST_TIMEOUT = 2.0  # seconds
_RETRY_DELAY = 1.0  # seconds after a request without a reply
_SECTIONS_INTERVAL = 5.0  # seconds until a shard's sections are requested again
_BEYOND = 2**53  # greater than any event's number


class Feed:
    """Keeps a `Fleet` up to date until it is closed. A context manager.

    Args:
        endpoint: the daemon's query endpoint.
        labels: those that a shard must have; None for any.
        keys: CURVE keys of this client and the daemon; None where the daemon requires none.

    Raises:
        ConfigError: the endpoint is invalid.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        labels: Mapping[str, str] | None = None,
        keys: ClientKeys | None = None,
    ) -> None:
        self.endpoint = endpoint
        self._fleet = Fleet()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._epoch: int | None = None
        self._history_refused = False
        self._labels = dict(labels or {})
        self._stale_since: float | None = None
        self._stale_reported = False
        self._losses = -1  # how often events may have been missed, as of the last update
        self._wants_history = False
        self._wants_sections: dict[str, None] = {}
        self._sections_at: dict[str, float] = {}
        self._requests = threading.Condition()
        self._client = Client(endpoint, timeout=_REQUEST_TIMEOUT, retries=0, keys=keys)
        with self._lock:  # held until self._mirror is set, which the Mirror's thread uses
            self._mirror = Mirror(endpoint, labels=labels, on_change=self._changed, keys=keys)
        self._threads = [
            threading.Thread(target=self._run_updates, name="zinfo-top-updates", daemon=True),
            threading.Thread(target=self._run_requests, name="zinfo-top-requests", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @contextmanager
    def fleet(self) -> Iterator[Fleet]:
        """Lock the model for the `with` block."""
        with self._lock:
            yield self._fleet

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
        self._mirror.wait_ready(timeout)
        self._update()

    def request_sections(self, shard: str) -> None:
        """Request a shard's sections, unless they were requested a moment ago."""
        with self._requests:
            if clock() - self._sections_at.get(shard, float("-inf")) >= _SECTIONS_INTERVAL:
                self._sections_at[shard] = clock()
                self._wants_sections[shard] = None
                self._requests.notify()

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
        with self._requests:
            self._requests.notify()
        self._mirror.close()
        for thread in self._threads:
            thread.join(_REQUEST_TIMEOUT * 2)
        self._client.close()

    # --- the Mirror's thread

    def _changed(self, shard: str, change: Delta | Event) -> None:
        with self._lock:
            self._check_epoch()
            if isinstance(change, Delta):
                self._fleet.apply(change, clock())
                return
            if change.type in STATES:
                self._fleet.set_state(shard, change.type, change.reason)
            if change.number or (self._history_refused and change.type != ADDED):
                self._fleet.add_events([change])
        if not change.number:  # inferred by the Mirror; the daemon knows its number and time
            self._request_history()

    def _check_epoch(self) -> None:
        epoch = self._mirror.epoch
        if epoch == self._epoch:
            return
        if self._epoch is not None:
            self._fleet.daemon_restarted()
            self._add_event(DAEMON_RESTARTED, "the daemon was restarted")
            self._stale_since, self._stale_reported = None, False
        self._epoch = epoch
        self._request_history()

    def _request_history(self) -> None:
        if self._epoch is None:  # _check_epoch requests it as soon as there is one
            return
        with self._requests:
            self._wants_history = True
            self._requests.notify()

    # --- the thread that updates the statuses

    def _run_updates(self) -> None:
        while not self._closing.is_set():
            began = clock()
            try:
                self._update()
            except Exception:  # the model gets no report, and shows that
                logger.exception("updating the shards failed")
                self._closing.wait(_RETRY_DELAY)
            self._closing.wait(max(UPDATE_INTERVAL, (clock() - began) / _UPDATE_SHARE))

    def _update(self) -> None:
        mirror = self._mirror
        stale = mirror.stale_shards
        statuses = {}
        for shard in mirror:
            try:
                state, reason = mirror.state(shard)
                statuses[shard] = Status(
                    state, reason, mirror.labels(shard), shard not in stale, mirror.age(shard)
                )
            except KeyError:  # removed in the meantime
                continue
        fresh, now = not mirror.stale, clock()
        problem = "" if fresh else mirror.problem
        counters = mirror.counters
        losses = counters["joins"] + counters["gaps"]
        with self._lock:
            self._check_epoch()
            self._fleet.set_statuses(statuses, now, fresh=fresh, problem=problem)
            self._report_staleness(fresh, problem, now)
        if losses != self._losses:
            self._losses = losses
            self._request_history()

    def _report_staleness(self, fresh: bool, problem: str, now: float) -> None:
        """Add an event where the model has been stale for a while, and where it is fresh again."""
        if fresh:
            if self._stale_reported:
                self._add_event(RECONNECTED, "the daemon responds again")
            self._stale_since, self._stale_reported = None, False
        elif self._epoch is not None:
            if self._stale_since is None:
                self._stale_since = now
            if not self._stale_reported and now - self._stale_since >= STALE_AFTER:
                self._stale_reported = True
                self._add_event(STALE, problem or "the shards are being read again")

    def _add_event(self, kind: str, message: str) -> None:
        self._fleet.add_events([Event("", kind, None, None, "", message, 0, 0, time.time())])

    # --- the thread that sends requests

    def _run_requests(self) -> None:
        while not self._closing.is_set():
            with self._requests:
                while not (self._wants_history or self._wants_sections or self._closing.is_set()):
                    self._requests.wait()
                history, self._wants_history = self._wants_history, False
                sections, self._wants_sections = list(self._wants_sections), {}
            try:
                self._send_requests(sections, history=history)
            except Exception:
                logger.exception("a request to the daemon failed")
                self._closing.wait(_RETRY_DELAY)

    def _send_requests(self, sections: list[str], *, history: bool) -> None:
        if not self._mirror.stale:  # else no reply is to be expected, either
            for shard in sections:
                if not self._closing.is_set():
                    self._fetch_sections(shard)
            if not history or self._fetch_history():
                return
        self._closing.wait(_RETRY_DELAY)
        if history:
            self._request_history()

    def _fetch_history(self) -> bool:
        """Fetch the events that are missing; returns whether none is left to fetch."""
        try:
            before = self._client.hello()["epoch"]
            newest = self._client.events(_BEYOND).newest
            with self._lock:
                since = max(self._fleet.events_complete_to, newest - MAX_EVENTS)
            found = self._client.events(since)
            after = self._client.hello()["epoch"]
            held = set(self._mirror)
        except NotAllowedError:
            self._history_refused = True
            return True
        except NoAnswerError:
            return False
        except ZinfoError as error:
            logger.warning("the daemon's events could not be read: %s", error)
            return False
        with self._lock:
            if not before == after == self._epoch:
                return False
            self._fleet.add_events(
                event
                for event in found.events
                if not self._labels or not event.shard or event.shard in held
            )
            self._fleet.mark_events_complete(found.newest)
        return True

    def _fetch_sections(self, shard: str) -> None:
        try:
            sections = fetch_sections(self._client, shard)
        except ZinfoError as error:  # requested again while a view shows the shard
            logger.info("sections of %s: %s", shard, error)
            return
        with self._lock:
            self._fleet.set_sections(shard, sections)
