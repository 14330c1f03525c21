# Generated from zinfo/aio/fleet_base.py by `python -m tests.client.unasync`; do not edit.
"""How the blocking Fleet asks its daemons."""

from __future__ import annotations

import abc
from collections.abc import Callable, Collection, Mapping
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from zinfo.client.client import Client
from zinfo.client.fleet_calls import FleetCalls
from zinfo.client.fleet_members import FleetMembers, Member
from zinfo.client.fleet_merge import EntryMerge
from zinfo.client.fleet_requests import Asked, FleetRequest, IdsRequest
from zinfo.client.fleet_results import FleetDict
from zinfo.client.sockets import clock
from zinfo.errors import MissingSlicesError, NoAnswerError, ProtocolError, ZinfoError

_Result = TypeVar("_Result")


class FleetBase(abc.ABC):
    """Asks all daemons of a fleet at once, or those that have some shards.

    Attributes:
        timeout: seconds for a call.
        allow_missing: whether a result may lack the shards of silent daemons.
    """

    timeout: float
    allow_missing: bool
    _fleet: FleetMembers[Client]

    def _of_shards(
        self,
        ids: Collection[str],
        merge: EntryMerge,
        ask: Callable[[Client, Collection[str], float], None],
        timeout: float | None,
    ) -> FleetRequest[Client]:
        """Ask for some shards, or for all."""
        if not ids:
            return self._of_all(lambda member, until: ask(member.client, (), until), timeout)
        seconds = self.timeout if timeout is None else timeout
        began, members = clock(), self._current(timeout)
        names = self._fleet.reports_of_names()
        request = IdsRequest(members, names, began, seconds, ids, merge)
        calls = self._new_calls()

        def start(asked: Asked[Client]) -> None:
            calls.start(
                asked,
                lambda: _attempt(asked, lambda: ask(asked.member.client, asked.ids, until), until),
                until,
            )

        until = request.until
        try:
            later = []
            for asked in request.first():
                if asked.member.late:  # it has not answered an earlier request
                    later.append(asked)
                else:
                    start(asked)
            for asked in request.probed():
                calls.start(asked, partial(_attempt, asked, _nothing, until), until)
            calls.wait(request.current, request.hedge_at())
            if not request.current():
                for asked in later + request.others():
                    start(asked)
                calls.wait(request.covered, until)
                calls.wait(request.current, request.hedge_at())
        finally:
            calls.leave()
            request.end(clock())
        request.check()
        return request

    def _of_all(
        self,
        ask: Callable[[Member[Client], float], None],
        timeout: float | None,
        *,
        every: bool = False,
        failed: Mapping[Member[Client], ZinfoError] = MappingProxyType({}),
    ) -> FleetRequest[Client]:
        """Ask all daemons; wait for all of them if `every`, else until no shard is missing.

        Those that have failed are not asked.
        """
        seconds = self.timeout if timeout is None else timeout
        began, members = clock(), self._current(timeout)
        request = FleetRequest(members, self._fleet.reports_of_names(), began, seconds)
        calls = self._new_calls()
        until = request.until

        def start(member: Member[Client]) -> None:
            asked = request.ask(member)
            calls.start(asked, lambda: _attempt(asked, lambda: ask(member, until), until), until)

        def enough() -> bool:
            return not every and request.covered()

        try:
            for member in failed:
                request.ask(member).fail(failed[member])
            later = [member for member in members if member.late and member not in failed]
            for member in members:
                if not member.late and member not in failed:
                    start(member)
            calls.wait(enough, until)
            if not enough():
                for member in later:  # they have not answered an earlier request
                    start(member)
                calls.wait(enough, until)
            calls.wait(request.only_silent_left, request.patient_until(clock()))
        finally:
            calls.leave()
            request.end(clock())
        request.check()
        return request

    def _of_each(
        self, ask: Callable[[Client, float], _Result], timeout: float | None
    ) -> FleetDict[_Result]:
        """Return the reply of each daemon."""
        found: dict[Member[Client], _Result] = {}

        def store(member: Member[Client], until: float) -> None:
            found[member] = ask(member.client, until - clock())

        request = self._of_all(store, timeout, every=True)
        return FleetDict(
            {member.endpoint: found[member] for member in request.members if member in found},
            request.silent(),
        )

    def _complete(self, result: _Result) -> _Result:
        """Return a result from which nothing is missing, or may be missing."""
        missing = getattr(result, "missing", ())
        if missing and not self.allow_missing:
            raise MissingSlicesError(missing, result)
        return result

    @abc.abstractmethod
    def _current(self, timeout: float | None = None) -> list[Member[Client]]:
        """Return the daemons; wait until each name has been looked up once."""

    @abc.abstractmethod
    def _new_calls(self) -> FleetCalls:
        """Return an object that makes calls at the same time."""


def _attempt(asked: Asked[Client], call: Callable[[], None], until: float) -> None:
    """Make a call to a daemon, learn its slice if that is not known, and note how it ends."""
    try:
        member = asked.member
        _learn(member, until, again=member.waiting > 0)
        asked.waiting = member.waiting
        call()
        _learn(member, until)  # it may have started again
        asked.waiting = max(asked.waiting, member.waiting)
    except ZinfoError as error:
        asked.error = error
        if isinstance(error, (NoAnswerError, ProtocolError)):
            asked.member.on_error(error)
    except ValueError:
        if not asked.member.gone:
            raise
        asked.error = NoAnswerError("its address is gone")  # and its client was closed
    asked.done = True


def _nothing() -> None:
    """Request nothing more than `hello`."""


def _learn(member: Member[Client], until: float, *, again: bool = False) -> None:
    """Send `hello` to a daemon that is unknown, was silent, or has started again, or if `again`."""
    if again or member.problem or member.client.epoch != member.epoch:
        member.on_hello(member.client.hello(timeout=until - clock()))
