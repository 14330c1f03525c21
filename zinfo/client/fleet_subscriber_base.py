"""What the blocking and the asyncio FleetSubscriber have in common: everything but the waiting.

Each flavour has a loop that calls `_begin_iteration`, waits for `_sockets` for at most the seconds
that this returns, and calls `_end_iteration`. The updates are taken with `_next`, from any thread.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection, Mapping

from zinfo.client.fleet_copies import report_of
from zinfo.client.fleet_coverage import MissingSlice
from zinfo.client.fleet_endpoints import DnsName, lookup
from zinfo.client.fleet_link import FleetLink
from zinfo.client.fleet_members import FleetMember, FleetMembers, Member
from zinfo.client.fleet_subscriber_state import FleetSubscriberState
from zinfo.client.fleet_updates import FleetUpdate
from zinfo.client.mirror_base import check_selection
from zinfo.client.sockets import Context, Socket, clock
from zinfo.errors import NoAnswerError, ZinfoError
from zinfo.wire.bus_messages import KIND_DELTA, KIND_INFO
from zinfo.wire.curve_keys import ClientKeys

logger = logging.getLogger(__name__)

MAX_WAIT = 0.2
"""Seconds until a call of `close`, or an address that is new, is noticed."""

_FIELD_WITHOUT_INFO = "role"  # the only field that is mirrored where no INFO is wanted


class FleetSubscriberBase:
    """The updates of several daemons; arguments as in the flavours."""

    def __init__(
        self,
        endpoints: str | Collection[str],
        *,
        shards: Collection[str],
        kinds: Collection[str],
        labels: Mapping[str, str] | None,
        fields: Collection[str] | None,
        context: Context | None,
        timeout: float,
        keys: ClientKeys | None,
    ) -> None:
        if isinstance(shards, str) or isinstance(kinds, str):
            raise TypeError("shard_ids and kinds take several texts, not one")
        check_selection(shards or None, labels, fields)
        if not {KIND_DELTA, KIND_INFO}.intersection(kinds):
            fields = (_FIELD_WITHOUT_INFO,)
        self._selection = (frozenset(shards) or None, labels, fields)
        self._context, self._keys = context, keys
        self._timeout = timeout
        self._lock = threading.Lock()
        self._state = FleetSubscriberState(kinds, some_fields=fields is not None)
        self._links: dict[str, FleetLink] = {}
        self._fleet: FleetMembers[FleetLink] = FleetMembers(endpoints, self._new_link)
        self._looked_up = not self._fleet.names
        self._closing = False

    def __repr__(self) -> str:
        return f"<FleetSubscriber {' '.join(member.endpoint for member in self.members)}>"

    @property
    def members(self) -> tuple[FleetMember, ...]:
        """The daemons, as far as they are known now."""
        return tuple(self._described(member) for member in self._fleet.public())

    @property
    def missing(self) -> tuple[MissingSlice, ...]:
        """Slices and daemons without which shards may be missing."""
        with self._lock:
            return self._state.missing

    def _described(self, member: FleetMember) -> FleetMember:
        link = self._links.get(member.endpoint)
        if link is None:
            return member
        with self._lock:
            session = link.mirror.session
            report = report_of(member.endpoint, link.mirror, clock())
            return FleetMember(member.endpoint, session.node, session.slice, report.problem)

    def _new_link(self, endpoint: str) -> FleetLink:
        shards, labels, fields = self._selection
        return FleetLink(
            endpoint,
            self._state.on_message,
            self._lock,
            shards=shards,
            labels=labels,
            fields=fields,
            context=self._context,
            keys=self._keys,
        )

    # --- the consumer

    def _next(self) -> FleetUpdate | None:
        """Return the next update; None where there is none now. Called with the lock held."""
        return self._state.next() if self._state.has_updates else None

    def _check_open(self) -> None:
        if self._closing:
            raise ValueError("this FleetSubscriber is closed")

    def _is_ready(self, deadline: float) -> bool:
        """Return whether the first copies of all shards are there, or the time has passed.

        Called with the lock held.

        Raises:
            NoAnswerError: the time has passed, and no daemon has answered.
        """
        if not self._state.complete or not self._looked_up:
            if clock() < deadline:
                return False
            sessions = [link.mirror.session for link in self._links.values()]
            if not any(session.joins for session in sessions):
                raise self._no_answer()
        self._state.start()
        return True

    def _no_answer(self) -> NoAnswerError:
        why = "; ".join(map(str, self._state.missing)) or "no daemon is known"
        return NoAnswerError(
            f"no answer within {self._timeout:g} s ({why}): is `zinfo serve` running there?"
        )

    # --- the loop

    def _notify(self) -> None:
        """Wake the consumer: there may be updates. Called with the lock held."""

    def _begin_iteration(self) -> float:
        """Do what is due; return the seconds to wait for messages."""
        self._take_over_members()
        deadline = min((link.begin() for link in self._links.values()), default=clock() + MAX_WAIT)
        with self._lock:
            self._state.settle(clock())
            self._notify()
        return max(0.0, min(deadline - clock(), MAX_WAIT))

    def _end_iteration(self) -> None:
        """Handle the messages that have arrived."""
        for link in self._links.values():
            link.end()

    def _sockets(self) -> list[Socket]:
        return [socket for link in self._links.values() for socket in link.sockets()]

    def _take_over_members(self) -> None:
        links = {member.endpoint: member.client for member in self._fleet.current()}
        if links.keys() == self._links.keys() and not self._fleet.names:
            return
        gone = [link for endpoint, link in self._links.items() if endpoint not in links]
        with self._lock:
            self._links = links
            mirrors = {endpoint: link.mirror for endpoint, link in links.items()}
            self._state.set_members(mirrors, self._fleet.reports_of_names())
        for link in gone:
            link.close()

    def _on_failure(self, error: Exception) -> None:
        """An iteration raised: the next one begins after a pause."""
        logger.error("receiving from a fleet failed, and is tried again", exc_info=error)

    def _stop(self) -> None:
        """Close the sockets for good."""
        for link in self._links.values():
            link.close()
        with self._lock:
            self._closing = True
            self._notify()

    # --- names

    def _look_up(self, name: DnsName) -> None:
        """Look a name up, and take over its addresses; it waits for the name server."""
        try:
            self._fleet.on_addresses(name, lookup(name), self._answers)
        except ZinfoError as error:
            self._fleet.on_lookup_error(name, error)

    def _answers(self, member: Member[FleetLink]) -> bool:
        with self._lock:
            return member.client.mirror.session.reliable(clock())
