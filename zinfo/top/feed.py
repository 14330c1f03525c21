"""Fills the model from a daemon: a Mirror for what is, a Client for what was and for sections.

Three threads write: the Mirror's own, one that looks how all shards do, and one that asks
questions, which may take their time. A view takes the model for as long as it reads from it, which
is milliseconds; it never waits for the network.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from zinfo.client import Client, ClientKeys, Delta, Event, Mirror
from zinfo.client.sockets import clock
from zinfo.errors import NoAnswerError, NotAllowedError, ZinfoError
from zinfo.top.event_log import KEPT
from zinfo.top.fleet import Fleet
from zinfo.top.record import Status
from zinfo.top.rows import NOW
from zinfo.top.sections import ask_sections
from zinfo.wire.lifecycle import ADDED, STATES

logger = logging.getLogger(__name__)

LOOK = 0.25
"""Seconds between two looks at how all shards do."""

_LOOK_PART = 0.1  # of the time looks may take, however many shards there are
_NOTED_AFTER = 2.0  # seconds of being stale that make an event
_ANSWER = 2.0  # seconds for an answer
_AGAIN = 1.0  # seconds after a question without an answer, until the next
_SECTIONS_AGAIN = 5.0  # seconds until a shard's sections are asked for again
_BEYOND = 2**53  # greater than any event's number


class Feed:
    """Keeps a `Fleet` up to date, until it is closed. A context manager.

    Args:
        endpoint: the daemon's query endpoint.
        keys: by which client and daemon know each other; None where the daemon asks for none.

    Raises:
        ConfigError: an endpoint that is none.
    """

    def __init__(self, endpoint: str, *, keys: ClientKeys | None = None) -> None:
        self.endpoint = endpoint
        self._fleet = Fleet()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._epoch: int | None = None
        self._history_refused = False
        self._stale_since: float | None = None
        self._stale_noted = False
        self._losses = -1  # how often something may have been missed, as of the last look
        self._wants_history = False
        self._wants_sections: dict[str, None] = {}
        self._sections_at: dict[str, float] = {}
        self._questions = threading.Condition()
        self._client = Client(endpoint, timeout=_ANSWER, retries=0, keys=keys)
        with self._lock:  # the Mirror's thread must find it
            self._mirror = Mirror(endpoint, on_change=self._changed, keys=keys)
        self._threads = [
            threading.Thread(target=self._keep_looking, name="zinfo-top-look", daemon=True),
            threading.Thread(target=self._keep_asking, name="zinfo-top-ask", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Feed:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    @contextmanager
    def fleet(self) -> Iterator[Fleet]:
        """Hold the model for the `with` block; nothing is written to it meanwhile."""
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
            NoAnswerError: that did not come about in time; the message says what is known of why.
        """
        self._mirror.wait_ready(timeout)
        self._look()

    def want_sections(self, shard: str) -> None:
        """Have a shard's sections asked for; where that is not allowed, it stays without."""
        with self._questions:
            if clock() - self._sections_at.get(shard, float("-inf")) >= _SECTIONS_AGAIN:
                self._sections_at[shard] = clock()
                self._wants_sections[shard] = None
                self._questions.notify()

    def note(self, kind: str, message: str) -> None:
        """Have something stand among the events.

        Args:
            kind: its type.
            message: one line for people.
        """
        with self._lock:
            self._note(kind, message)

    def close(self) -> None:
        """End the threads; what was known stays readable."""
        self._closing.set()
        with self._questions:
            self._questions.notify()
        self._mirror.close()
        for thread in self._threads:
            thread.join(_ANSWER * 2)
        self._client.close()

    # --- the Mirror's thread

    def _changed(self, shard: str, change: Delta | Event) -> None:
        with self._lock:
            self._enter_epoch()
            if isinstance(change, Delta):
                self._fleet.apply(change, clock())
                return
            if change.type in STATES and change.type not in NOW:
                self._fleet.interrupt(shard)
            if change.number or (self._history_refused and change.type != ADDED):
                self._fleet.happened([change])
        if not change.number:  # found by a re-sync; the daemon knows when it was
            self._want_history()

    def _enter_epoch(self) -> None:
        epoch = self._mirror.epoch
        if epoch == self._epoch:
            return
        if self._epoch is not None:
            self._fleet.daemon_restarted()
            self._note("restart", "the daemon was started again")
            self._stale_since, self._stale_noted = None, False
        self._epoch = epoch
        self._want_history()

    def _want_history(self) -> None:
        if self._epoch is None:  # it is wanted as soon as there is one
            return
        with self._questions:
            self._wants_history = True
            self._questions.notify()

    # --- the thread that looks

    def _keep_looking(self) -> None:
        while not self._closing.is_set():
            began = clock()
            try:
                self._look()
            except Exception:  # then the model is not told, and says so
                logger.exception("looking at the shards failed")
                self._closing.wait(_AGAIN)
            self._closing.wait(max(LOOK, (clock() - began) / _LOOK_PART))

    def _look(self) -> None:
        mirror = self._mirror
        stale = mirror.stale_shards
        statuses = {}
        for shard in mirror:
            try:
                state, reason = mirror.state(shard)
                statuses[shard] = Status(
                    state, reason, mirror.labels(shard), shard not in stale, mirror.age(shard)
                )
            except KeyError:  # it was removed this moment
                continue
        fresh, now = not mirror.stale, clock()
        problem = "" if fresh else mirror.problem
        counters = mirror.counters
        losses = counters["joins"] + counters["gaps"]
        with self._lock:
            self._enter_epoch()
            self._fleet.observe(statuses, now, fresh=fresh, problem=problem)
            self._tell_break(fresh, problem, now)
        if losses != self._losses:
            self._losses = losses
            self._want_history()

    def _tell_break(self, fresh: bool, problem: str, now: float) -> None:
        """Make an event of it where the feed is cut off for a while, and where it is back."""
        if fresh:
            if self._stale_noted:
                self._note("again", "the daemon is heard again")
            self._stale_since, self._stale_noted = None, False
        elif self._epoch is not None:
            if self._stale_since is None:
                self._stale_since = now
            if not self._stale_noted and now - self._stale_since >= _NOTED_AFTER:
                self._stale_noted = True
                self._note("stale", problem or "shards are being read again")

    def _note(self, kind: str, message: str) -> None:
        self._fleet.happened([Event("", kind, None, None, "", message, 0, 0, time.time())])

    # --- the thread that asks

    def _keep_asking(self) -> None:
        while not self._closing.is_set():
            with self._questions:
                while not (self._wants_history or self._wants_sections or self._closing.is_set()):
                    self._questions.wait()
                history, self._wants_history = self._wants_history, False
                sections, self._wants_sections = list(self._wants_sections), {}
            try:
                self._ask(sections, history=history)
            except Exception:
                logger.exception("asking the daemon failed")
                self._closing.wait(_AGAIN)

    def _ask(self, sections: list[str], *, history: bool) -> None:
        if not self._mirror.stale:  # else an answer is not to be expected, either
            for shard in sections:
                if not self._closing.is_set():
                    self._ask_sections(shard)
            if not history or self._ask_history():
                return
        self._closing.wait(_AGAIN)
        if history:
            self._want_history()

    def _ask_history(self) -> bool:
        """Ask for the events that are not held; returns whether there is nothing left to ask."""
        try:
            before = self._client.hello()["epoch"]
            newest = self._client.events(_BEYOND).newest
            with self._lock:
                since = max(self._fleet.events_whole_to, newest - KEPT)
            found = self._client.events(since)
            after = self._client.hello()["epoch"]
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
            self._fleet.happened(found.events)
            self._fleet.have_events_to(found.newest)
        return True

    def _ask_sections(self, shard: str) -> None:
        try:
            sections = ask_sections(self._client, shard)
        except ZinfoError as error:  # asked again while somebody looks at the shard
            logger.info("sections of %s: %s", shard, error)
            return
        with self._lock:
            self._fleet.place(shard, sections)
