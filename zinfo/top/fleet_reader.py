"""Reads all daemons of a fleet at the same time; a silent one does not delay the others."""

from __future__ import annotations

import concurrent.futures
import logging
import time
from collections.abc import Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple

from zinfo.client import ClientKeys, Event
from zinfo.client.fleet_coverage import NO_REPLY, Coverage, MemberReport, coverage
from zinfo.client.fleet_endpoints import RESOLVE_INTERVAL, RETRY_INTERVAL, lookup
from zinfo.client.fleet_members import FleetMembers, Member
from zinfo.client.sockets import clock
from zinfo.errors import ZinfoError
from zinfo.top.copy_choice import Merged, merge
from zinfo.top.daemon_reader import DaemonReader, DaemonReading
from zinfo.top.daemons_text import daemons_text
from zinfo.top.fleet_events import FleetEvents
from zinfo.views.formatting import DAEMON_RESTARTED, RECONNECTED, STALE
from zinfo.wire.slices import SliceSpec

logger = logging.getLogger(__name__)

WAIT_SECONDS = 1.0
"""Seconds to wait for the daemons in each turn; the reply of a slower one counts in a later one."""

_MAX_THREADS = 64
_WAITING = "it has not read all of its sources yet"


class FleetReading(NamedTuple):
    """What the daemons of a fleet have at one moment.

    Attributes:
        merged: all shards.
        moved: shards of which another copy is shown than before, or the same after a restart.
        events: new ones.
        coverage: whether the daemons that answer have all shards.
        answering: number of daemons that answer.
        problems: why the others do not, by endpoint.
        daemons: a line about the daemons.
    """

    merged: Merged
    moved: Collection[str]
    events: list[Event]
    coverage: Coverage
    answering: int
    problems: Mapping[str, str]
    daemons: str


class FleetReader:
    """Reads the daemons of a fleet. One thread at a time calls it.

    Args:
        endpoints: of the daemons; `dns+tcp://NAME:PORT` stands for all addresses of a name.
        labels: those that a shard must have; empty for any.
        keys: CURVE keys of this client and the daemons; None where they require none.

    Raises:
        ConfigError: an endpoint is invalid.
    """

    def __init__(
        self, endpoints: Collection[str], labels: Mapping[str, str], keys: ClientKeys | None
    ) -> None:
        self._members: FleetMembers[DaemonReader] = FleetMembers(
            endpoints, lambda endpoint: DaemonReader(endpoint, labels, keys)
        )
        self._pool = ThreadPoolExecutor(_MAX_THREADS, "zinfo-top-daemon")
        self._running: dict[str, Future[DaemonReading]] = {}
        self._found: dict[str, DaemonReading] = {}
        self._problems: dict[str, str] = {}
        self._events = FleetEvents()
        self._lookups: dict[object, Future[tuple[str, ...]]] = {}
        self._lookup_due = 0.0
        self.chosen: Mapping[str, str] = {}
        """Endpoint of the daemon whose copy is shown, by shard."""

    def forget(self) -> None:
        """Read everything the next time: there was a pause."""
        for member in self._members.current():
            if member.endpoint not in self._running:
                member.client.forget()

    def read(self, fields: Collection[str]) -> FleetReading:
        """Return what the daemons have.

        Args:
            fields: of INFO, to be read.
        """
        self._look_up_names()
        members = self._members.current()
        for member in members:
            if member.endpoint not in self._running:
                self._running[member.endpoint] = self._pool.submit(member.client.read, fields)
        futures: list[Future[Any]] = [*self._running.values(), *self._lookups.values()]
        concurrent.futures.wait(futures, WAIT_SECONDS)
        new, events = self._take_results()
        current = {member.endpoint for member in members}
        for gone in self._found.keys() - current:
            del self._found[gone]
        return self._merged(members, new, events)

    def close(self) -> None:
        """End the threads, and close the sockets that no thread uses."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for member in self._members.current():
            running = self._running.get(member.endpoint)
            if running is None or running.done():
                member.client.close()

    def _merged(
        self,
        members: Collection[Member[DaemonReader]],
        new: Mapping[str, DaemonReading],
        events: list[Event],
    ) -> FleetReading:
        now = clock()
        answering = [
            member.endpoint
            for member in members
            if member.endpoint in self._found and member.endpoint not in self._problems
        ]
        reports = [self._report(member.endpoint) for member in members]
        names = self._members.reports_of_names()
        covered = coverage([*reports, *names])
        former = self.chosen
        merged = merge(self._found, answering, former, now, complete=covered.complete)
        self.chosen = merged.chosen
        restarted = {endpoint for endpoint, one in new.items() if one.restarted}
        moved = [
            shard
            for shard, endpoint in merged.chosen.items()
            if former.get(shard, endpoint) != endpoint or endpoint in restarted
        ]
        shown = self._events.select(new, former, merged.chosen, now)
        slices = [(one.slice, one.endpoint in answering) for one in reports]
        return FleetReading(
            merged,
            moved,
            [*shown, *events],
            covered,
            len(answering),
            {**self._problems, **{name.endpoint: name.problem for name in names}},
            daemons_text(slices),
        )

    def _report(self, endpoint: str) -> MemberReport:
        found = self._found.get(endpoint)
        spec: SliceSpec | None = found.slice if found else None
        problem = self._problems.get(endpoint, "" if found else NO_REPLY)
        if found and found.waiting and not problem:
            problem = _WAITING
        return MemberReport(endpoint, spec, found is not None, not problem, problem)

    def _take_results(self) -> tuple[dict[str, DaemonReading], list[Event]]:
        """Return the new readings, and events about daemons."""
        new, events = {}, []
        for endpoint, future in list(self._running.items()):
            if not future.done():
                continue
            del self._running[endpoint]
            try:
                reading = future.result()
            except Exception as error:
                if not isinstance(error, ZinfoError):
                    logger.exception("reading %s failed", endpoint)
                problem = NO_REPLY if isinstance(error, TimeoutError) else str(error) or NO_REPLY
                if endpoint in self._found and endpoint not in self._problems:
                    events.append(_event(STALE, f"{self._name(endpoint)}: {problem}"))
                self._problems[endpoint] = problem
                continue
            if reading.restarted:
                events.append(_event(DAEMON_RESTARTED, f"{reading.node} was restarted"))
            if self._problems.pop(endpoint, None) and endpoint in self._found:
                events.append(_event(RECONNECTED, f"{reading.node} responds again"))
            self._found[endpoint] = new[endpoint] = reading
        return new, events

    def _name(self, endpoint: str) -> str:
        node = self._found[endpoint].node
        return f"{node} ({endpoint})" if node else endpoint

    def _look_up_names(self) -> None:
        """Look the names up in threads, and take over what was found."""
        for name in self._members.names:
            future = self._lookups.get(name)
            if future is not None and future.done():
                del self._lookups[name]
                try:
                    gone = self._members.on_addresses(
                        name, future.result(), lambda one: one.endpoint not in self._problems
                    )
                except ZinfoError as error:
                    self._members.on_lookup_error(name, error)
                    continue
                for member in gone:
                    if member.endpoint not in self._running:
                        member.client.close()
            if clock() >= self._lookup_due and name not in self._lookups:
                self._lookups[name] = self._pool.submit(lookup, name)
        if clock() >= self._lookup_due:
            interval = RETRY_INTERVAL if self._members.unresolved else RESOLVE_INTERVAL
            self._lookup_due = clock() + interval


def _event(kind: str, message: str) -> Event:
    return Event("", kind, None, None, "", message, 0, 0, time.time())
