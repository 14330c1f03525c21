"""The requests of the asyncio Fleet; those of the blocking Fleet are generated from this file.

After a change, run `python -m tests.client.unasync`. A line that is too long only because of
`async` or `await` would be formatted differently there; give such a call a trailing comma.
"""

from __future__ import annotations

import abc
import contextlib
from collections.abc import AsyncIterator, Collection, Mapping
from typing import Any

from zinfo.aio.client import Client
from zinfo.aio.fleet_base import FleetBase
from zinfo.client.fleet_columns import MemberColumns, columns_of_entries, merged_columns
from zinfo.client.fleet_events import MemberEvents, merged_events
from zinfo.client.fleet_history import HISTORY_ENTRIES, entries_of, merged_history
from zinfo.client.fleet_members import FleetMember, Member
from zinfo.client.fleet_merge import (
    INFO_ENTRIES,
    SHARD_ENTRIES,
    EntryMerge,
    in_states,
    without_errors,
)
from zinfo.client.fleet_owners import Owners
from zinfo.client.fleet_pages import PagesOfMember, merged_page
from zinfo.client.fleet_results import FleetColumns, FleetDict, FleetEvent, FleetHistory, FleetList
from zinfo.client.former_names import chosen_ids
from zinfo.client.history import History
from zinfo.client.requests import Map, list_of_texts
from zinfo.client.requests import get_infos as call_of_get_infos
from zinfo.client.sockets import clock
from zinfo.errors import (
    MissingSlicesError,
    NoAnswerError,
    UnknownOpError,
    UnknownShardError,
    ZinfoError,
)
from zinfo.wire.lifecycle import checked_states


class FleetOperations(FleetBase):
    """The operations of `Client`, each of them sent to all daemons of a fleet at once.

    Where no argument `timeout` is given, that of the Fleet applies to the whole call. Every method
    may raise `RequestError` (all daemons that answered refuse the request), `MissingSlicesError`
    (no daemon answers) and `ValueError` (the Fleet is closed).
    """

    @property
    @abc.abstractmethod
    def members(self) -> tuple[FleetMember, ...]:
        """The daemons, as far as they are known now; `find_members` asks them."""

    async def find_members(self, timeout: float | None = None) -> tuple[FleetMember, ...]:
        """Send `hello` to each daemon whose slice is not known, or that was silent; return all.

        Args:
            timeout: seconds; None for that of the Fleet. A daemon without an answer in this time
                has a `problem`.
        """

        async def nothing(member: Member[Client], until: float) -> None:
            """Request nothing more than `hello`."""

        with contextlib.suppress(MissingSlicesError):
            await self._of_all(nothing, timeout, every=True)
        return self.members

    async def get_infos(  # noqa: PLR0913 - those of Client.get_infos
        self,
        shard_ids: Collection[str] = (),
        keys: Collection[str] = (),
        allow_partial: bool = False,
        max_age: float = 0.0,
        prefix_matching: bool = False,
        *,
        sections: Collection[str] = (),
        labels: Mapping[str, str] | None = None,
        state: str | Collection[str] = (),
        with_labels: bool = False,
        refresh: bool = False,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> FleetList[Map]:
        """Return the INFO of shards, of each the newest copy; arguments as for `Client.get_infos`.

        `state` is that of the newest copy.

        If slices are chosen by id, a request for some shards goes to the daemons of their first
        copies. The other copies are requested if that daemon is silent for a tenth of the timeout,
        or gets no reply from the shard.

        Returns:
            One dict for each shard, as `Client.get_infos`, in the order of `shard_ids` or sorted by
            id. `missing` has the slices without which shards may be missing.

        Raises:
            UnknownShardError: no daemon that answered has this shard; not with `allow_partial`.
            NotPolledError: a shard was never polled; not with `allow_partial`.
            MissingSlicesError: shards may be missing; not with `Fleet(allow_missing=True)`.
            BadRequestError: a state does not exist, or all daemons refuse another argument.
        """
        states = checked_states(state)
        arguments = {
            "keys": list_of_texts(keys, "keys"),
            "max_age": max_age,
            "prefix_matching": prefix_matching,
            "sections": list_of_texts(sections, "sections"),
            "labels": labels,
            "with_labels": with_labels,
            "refresh": refresh,
            "limit": limit,
            "allow_partial": True,
        }
        merge = EntryMerge(INFO_ENTRIES)

        async def ask(client: Client, ids: Collection[str], until: float) -> None:
            pages = client.iter_infos(ids, timeout=until - clock(), **arguments)
            async for page in pages:
                merge.add(page, clock())
                if clock() >= until:
                    raise NoAnswerError("the reply is not complete")

        ids = list_of_texts(shard_ids, "shard_ids")
        request = await self._of_shards(ids, merge, ask, timeout)
        entries = in_states(merge.take(ids), states, INFO_ENTRIES)
        if not allow_partial:
            entries = without_errors(entries, request.unanswered())
        return self._complete(FleetList(entries, request.missing()))

    async def iter_infos(
        self,
        shard_ids: Collection[str] = (),
        *,
        timeout: float | None = None,
        **arguments: Any,
    ) -> AsyncIterator[FleetList[Map]]:
        """Yield the shards of `get_infos` in parts, sorted by id, as the pages of daemons arrive.

        No more than a page of each daemon is held. A daemon that is silent for a page is left out
        from there on.

        Args:
            shard_ids: ids of the shards; these are not divided. Empty for all.
            timeout: seconds for each part.
            **arguments: further arguments of `get_infos`.

        Raises:
            MissingSlicesError: shards may be missing; after all others were given, and not with
                `Fleet(allow_missing=True)`.
        """
        ids = list_of_texts(shard_ids, "shard_ids")
        states = checked_states(arguments.get("state", ()))
        if ids:
            yield await self.get_infos(ids, timeout=timeout, **arguments)
            return
        args = call_of_get_infos({**arguments, "state": ()}).args
        pages: dict[Member[Client], PagesOfMember] = {}
        failed: dict[Member[Client], ZinfoError] = {}

        async def ask(member: Member[Client], until: float) -> None:
            part = pages.get(member)
            if part is not None and part.needs_page:
                reply = await member.client.request(
                    "get_infos", timeout=until - clock(), **part.paging.args
                )
                part.on_page(reply, clock())

        for member in await self._current(timeout):
            pages[member] = PagesOfMember(args)
        while True:
            request = await self._of_all(ask, timeout, failed=failed)
            failed = request.failures()
            for member in failed:
                pages.pop(member, None)
            page = in_states(merged_page(pages.values()), states, INFO_ENTRIES)
            yield FleetList(page, request.missing())
            if not any(part.needs_page or part.last for part in pages.values()):
                break
        self._complete(FleetList((), request.missing()))

    async def get_columns(
        self,
        keys: Collection[str],
        labels: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
    ) -> FleetColumns:
        """Return some fields of all shards, one array for each field, of each the newest copy.

        Args:
            keys: names of the fields, 1 to 64.
            labels: labels that a shard must have; None for any.
            timeout: seconds for the whole call.

        Returns:
            Columns as `Client.get_columns` returns them. `missing` has the slices without which
            shards may be missing. A daemon of a version without columns is asked for INFO.

        Raises:
            BadRequestError: there are no keys, or too many.
            MissingSlicesError: shards may be missing; not with `Fleet(allow_missing=True)`.
        """
        names = list(dict.fromkeys(list_of_texts(keys, "keys")))
        found: dict[Member[Client], MemberColumns] = {}

        async def ask(member: Member[Client], until: float) -> None:
            found[member] = await _columns(member.client, names, labels, until)

        request = await self._of_all(ask, timeout)
        members = [found[member] for member in request.members if member in found]
        return self._complete(FleetColumns(merged_columns(members), request.missing()))

    async def shards(
        self,
        shard_ids: Collection[str] = (),
        labels: Mapping[str, str] | None = None,
        *,
        state: str | Collection[str] = (),
        timeout: float | None = None,
        ids: Collection[str] | None = None,
    ) -> FleetList[Map]:
        """Return the state of shards, of each that of the copy with the newest INFO.

        Args:
            shard_ids: ids of the shards; empty for all.
            labels: labels that a shard must have; None for any.
            state: the state of a shard, or several of which it has one; empty for any.
            timeout: seconds for the whole call.
            ids: the former name of `shard_ids`.

        Returns:
            One dict for each shard, as `Client.shards`. `missing` has the slices without which
            shards may be missing.

        Raises:
            UnknownShardError: no daemon that answered has this shard.
            MissingSlicesError: shards may be missing; not with `Fleet(allow_missing=True)`.
            BadRequestError: a state does not exist.
        """
        ids = list_of_texts(chosen_ids(shard_ids, ids, "ids"), "shard_ids")
        states = checked_states(state)
        merge, existing = EntryMerge(SHARD_ENTRIES), set[str]()

        async def ask(client: Client, some: Collection[str], until: float) -> None:
            try:
                found = await client.shards(some, labels, timeout=until - clock())
                existing.update(some)
            except UnknownShardError:  # says nothing about the others
                every = await client.shards(timeout=until - clock())
                known = [entry for entry in every if entry["id"] in set(some)]
                existing.update(entry["id"] for entry in known)
                found = [entry for entry in known if _has_labels(entry, labels)]
            merge.add(found, clock())

        request = await self._of_shards(ids, merge, ask, timeout)
        unknown = [shard for shard in ids if shard not in existing]
        for shard in unknown:
            if shard not in request.unanswered():
                raise UnknownShardError(f"shard {shard} not found")
        entries = in_states(merge.take(ids), states, SHARD_ENTRIES)
        return self._complete(FleetList(entries, request.missing()))

    async def events(
        self,
        shard_ids: Collection[str] = (),
        *,
        timeout: float | None = None,
        ids: Collection[str] | None = None,
    ) -> FleetList[FleetEvent]:
        """Return the lifecycle events that the daemons have stored, oldest first.

        Each daemon counts its own events. Those of a shard are given as one of its daemons saw
        them: of those that poll it now, the one that has stored its events for longest; what
        happened before is given as the next daemon saw it. So no change appears twice.

        Args:
            shard_ids: ids of the shards; empty for all.
            timeout: seconds for the whole call.
            ids: the former name of `shard_ids`.

        Returns:
            One `FleetEvent` for each event, with the node and the epoch of the daemon that counted
            it. `missing` has the slices without which events may be missing.

        Raises:
            MissingSlicesError: events may be missing; not with `Fleet(allow_missing=True)`.
        """
        ids = list_of_texts(chosen_ids(shard_ids, ids, "ids"), "shard_ids")
        found: list[MemberEvents] = []

        async def ask(member: Member[Client], until: float) -> None:
            recent = await member.client.events(0, ids, timeout=until - clock())
            epoch = member.client.epoch or 0
            found.append(MemberEvents(member.endpoint, member.node, epoch, recent.events))

        request = await self._of_all(ask, timeout)
        owners = Owners(request.members)
        events = merged_events(
            list(found), lambda shard: {owner.endpoint for owner in owners.of(shard)}
        )
        return self._complete(FleetList(events, request.missing()))

    async def history(
        self,
        shard_ids: Collection[str] = (),
        fields: Collection[str] = (),
        labels: Mapping[str, str] | None = None,
        *,
        since: float = 0.0,
        timeout: float | None = None,
    ) -> FleetHistory:
        """Return the last minutes of shards, of each those of one of its daemons.

        That is the one with the newest value; of several such, the one that has values for longer.

        Args:
            shard_ids: ids of the shards; empty for all.
            fields: names of series, as for `Client.history`; empty for all.
            labels: labels that a shard must have; None for any.
            since: only values after this time, in seconds since the Unix epoch; 0 for all.
            timeout: seconds for the whole call.

        Returns:
            A history as `Client.history` returns it. `missing` has the slices without which shards
            may be missing.

        Raises:
            BadRequestError: a series is unknown.
            UnknownShardError: no daemon that answered has this shard.
            UnknownOpError: no daemon that answered has a history.
            MissingSlicesError: shards may be missing; not with `Fleet(allow_missing=True)`.
        """
        ids, names = list_of_texts(shard_ids, "shard_ids"), list_of_texts(fields, "fields")
        merge, existing, series = EntryMerge(HISTORY_ENTRIES), set[str](), dict[str, None]()

        async def ask(client: Client, some: Collection[str], until: float) -> None:
            try:
                found = await _history(client, some, names, labels, since, until)
            except UnknownShardError:  # says nothing about the others
                every = await client.shards(timeout=until - clock())
                some = list({entry["id"] for entry in every}.intersection(some))
                if not some:
                    return
                found = await _history(client, some, names, labels, since, until)
            existing.update(some)
            series.update(dict.fromkeys(found))
            merge.add(entries_of(found), 0.0)

        request = await self._of_shards(ids, merge, ask, timeout)
        for shard in ids:
            if shard not in existing and shard not in request.unanswered():
                raise UnknownShardError(f"shard {shard} not found")
        history = merged_history(merge.take(ids), series)
        return self._complete(FleetHistory(history, request.missing()))

    async def hello(self, *, timeout: float | None = None) -> FleetDict[Map]:
        """Return the reply of each daemon to `Client.hello`, by its endpoint.

        Args:
            timeout: seconds for the whole call.
        """
        return await self._of_each(lambda client, left: client.hello(timeout=left), timeout)

    async def stats(self, *, timeout: float | None = None) -> FleetDict[Map]:
        """Return the counters of each daemon, by its endpoint; as `Client.stats`.

        Args:
            timeout: seconds for the whole call.

        Returns:
            The replies. `missing` has the daemons that did not answer.
        """
        return await self._of_each(lambda client, left: client.stats(timeout=left), timeout)

    async def sources(self, *, timeout: float | None = None) -> FleetDict[list[Map]]:
        """Return the sources of shards of each daemon, by its endpoint; as `Client.sources`.

        Args:
            timeout: seconds for the whole call.

        Returns:
            The replies. `missing` has the daemons that did not answer.
        """
        return await self._of_each(lambda client, left: client.sources(timeout=left), timeout)

    async def accept_source(self, name: str, *, timeout: float | None = None) -> FleetDict[int]:
        """Remove at once, at each daemon, the shards that the last answer of a source lacks.

        Args:
            name: name of the source.
            timeout: seconds for the whole call.

        Returns:
            The number of shards that each daemon removes. `missing` has the daemons that did not
            answer, or refused.
        """
        return await self._of_each(
            lambda client, left: client.accept_source(name, timeout=left),
            timeout,
        )


async def _columns(
    client: Client, names: Collection[str], labels: Mapping[str, str] | None, until: float
) -> MemberColumns:
    """Return the columns of a daemon, from its INFO where it is of a version without columns."""
    try:
        columns = await client.get_columns(names, labels, timeout=until - clock())
    except UnknownOpError:
        shards = await client.shards(labels=labels, timeout=until - clock())
        infos = await client.get_infos(keys=names, labels=labels, timeout=until - clock())
        return columns_of_entries(list(names), shards, infos, clock())
    return MemberColumns(columns, clock())


async def _history(
    client: Client,
    ids: Collection[str],
    names: Collection[str],
    labels: Mapping[str, str] | None,
    since: float,
    until: float,
) -> History:
    return await client.history(ids, names, labels, since=since, timeout=until - clock())


def _has_labels(entry: Map, labels: Mapping[str, str] | None) -> bool:
    return (labels or {}).items() <= (entry.get("labels") or {}).items()
