# Generated from zinfo/aio/client_operations.py by `python -m tests.client.unasync`; do not edit.
"""The operations of the blocking Client."""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterator, Mapping
from typing import Any, TypeVar

from zinfo.client import history as histories
from zinfo.client import requests
from zinfo.client.columns import Columns
from zinfo.client.columns_query import ColumnsQuery, IdLists
from zinfo.client.former_names import chosen_ids
from zinfo.client.history import History
from zinfo.client.requests import Call, Map, Paging, RecentEvents
from zinfo.client.sockets import clock
from zinfo.errors import RequestError, UnknownOpError
from zinfo.wire.query_messages import Reply

_Result = TypeVar("_Result")


class ClientOperations(abc.ABC):
    """One method for each operation of a daemon.

    Args:
        timeout: seconds for a call, retries included, where the call has no timeout of its own.
    """

    def __init__(self, timeout: float) -> None:
        self.timeout = timeout
        self._id_lists = IdLists()

    def hello(self, *, timeout: float | None = None) -> Map:
        """Return what the daemon is and supports.

        The keys are node, epoch, zinfo (the version of the program), versions, bus, heartbeat, ops
        and limits; docs/reference/protocol.md describes them.

        Args:
            timeout: seconds for the whole call.
        """
        return self._call(requests.hello(), timeout)

    def get_infos(  # noqa: PLR0913 - those of GetInfos, and five of the wire
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
    ) -> list[Map]:
        """Return the INFO of shards, from the daemon's cache.

        Args:
            shard_ids: ids of the shards; empty for every shard that was polled at least once.
            keys: names of the fields; empty for all.
            allow_partial: whether a shard that is unknown or was never polled gets an entry with an
                `error` in its `meta`, instead of being an error of the call.
            max_age: seconds; older INFO is left out. 0 for any age.
            prefix_matching: whether `keys` are prefixes of field names.
            sections: names of sections of INFO, to which the fields are restricted; empty for all.
            labels: labels that a shard must have; None for any.
            state: the state of a shard (new, up, loading, busy or down), or several of which it has
                one; empty for any. Shards in other states are left out.
            with_labels: whether `meta` has the labels of the shard, as `labels`.
            refresh: whether the daemon first polls the shards whose INFO is older than `max_age`.
            limit: greatest number of entries in a page of the reply; all pages are fetched. None
                for as many as fit.
            timeout: seconds for the whole call.

        Returns:
            One dict for each shard, from field to value. Its key `meta` has an `InfoMeta`, a dict
            with `id`, `info_age` (seconds), `state`, `revision`, `time` and others.

        Raises:
            UnknownShardError: a shard does not exist; not with `allow_partial`.
            NotPolledError: a shard was never polled; not with `allow_partial`.
            BadRequestError: a state does not exist, or another argument is not valid.
        """
        arguments = {
            "shard_ids": shard_ids,
            "keys": keys,
            "allow_partial": allow_partial,
            "max_age": max_age,
            "prefix_matching": prefix_matching,
            "sections": sections,
            "labels": labels,
            "state": state,
            "with_labels": with_labels,
            "refresh": refresh,
            "limit": limit,
        }
        return self._call(requests.get_infos(arguments), timeout)

    def iter_infos(
        self,
        shard_ids: Collection[str] = (),
        *,
        timeout: float | None = None,
        **arguments: Any,
    ) -> Iterator[list[Map]]:
        """Yield the pages of `get_infos` as they arrive, so that a long reply is never held whole.

        Args:
            shard_ids: ids of the shards; empty for every shard that was polled at least once.
            timeout: seconds for each page.
            **arguments: further arguments of `get_infos`.
        """
        call = requests.get_infos({"shard_ids": shard_ids, **arguments})
        paging = Paging(call.args)
        while not paging.done:
            page = self._exchange(call.op, paging.args, self._deadline(timeout))
            paging.on_page(page)
            yield call.read([page])

    def get_columns(
        self,
        keys: Collection[str],
        labels: Mapping[str, str] | None = None,
        *,
        with_revisions: bool = False,
        timeout: float | None = None,
    ) -> Columns:
        """Return some fields of all shards, one array for each field, from the daemon's cache.

        Numbers are packed, and the ids of the shards are sent only when they have changed since the
        last call: for many shards this costs a small part of what `get_infos` costs.

        Args:
            keys: names of the fields, 1 to 64.
            labels: labels that a shard must have; None for any.
            with_revisions: whether the columns have `revisions` and `times`: which INFO of each
                shard the values are from. Older daemons refuse it with a BadRequestError.
            timeout: seconds for the whole call.

        Returns:
            A mapping from the name of a field to its `Column`, with `ids`, `ages` and `states` of
            the shards. All live shards are there, also those that were never polled.

        Raises:
            BadRequestError: there are no keys, or too many.
            ChangedError: the set of shards changed during the call, at each of several tries.
            UnknownOpError: the daemon is of a version without columns.
        """
        query = ColumnsQuery(keys, labels, self._id_lists, with_revisions=with_revisions)
        deadline = self._deadline(timeout)
        while True:
            try:
                columns = self._call(query.call(), deadline - clock())
            except RequestError as error:
                query.on_error(error)
            else:
                if columns is not None:
                    return columns

    def shards(
        self,
        shard_ids: Collection[str] = (),
        labels: Mapping[str, str] | None = None,
        *,
        state: str | Collection[str] = (),
        timeout: float | None = None,
        ids: Collection[str] | None = None,
    ) -> list[Map]:
        """Return the state of shards, without their INFO.

        Args:
            shard_ids: ids of the shards; empty for all.
            labels: labels that a shard must have; None for any.
            state: the state of a shard, or several of which it has one; empty for any.
            timeout: seconds for the whole call.
            ids: the former name of `shard_ids`.

        Returns:
            One dict for each shard, with `id` (also as `shard_identifier`), `labels`, `state`,
            `reason`, `since` (when the state began, in seconds since the Unix epoch; None where
            unknown), `role`, `version`, `run_id`, `interval` and `age` (seconds), `revision`,
            `failures` and `error`.
        """
        return self._call(
            requests.shards(chosen_ids(shard_ids, ids, "ids"), labels, state), timeout
        )

    def snapshot(
        self,
        shard_ids: Collection[str] = (),
        *,
        timeout: float | None = None,
        ids: Collection[str] | None = None,
    ) -> list[Map]:
        """Return the state and the INFO of shards, as a mirror needs them at its start.

        Args:
            shard_ids: ids of the shards; empty for all.
            timeout: seconds for the whole call.
            ids: the former name of `shard_ids`.

        Returns:
            One dict for each shard, with the keys of `shards`, `shard` (the same as `id`), `time`,
            `seq`, and `info`, which is None before the first poll.
        """
        return self._call(requests.snapshot(chosen_ids(shard_ids, ids, "ids")), timeout)

    def events(
        self,
        since: int = 0,
        shard_ids: Collection[str] = (),
        *,
        timeout: float | None = None,
        ids: Collection[str] | None = None,
    ) -> RecentEvents:
        """Return the lifecycle events that the daemon has stored, oldest first.

        Args:
            since: number of the last event that is known already; 0 for all.
            shard_ids: ids of the shards; empty for all.
            timeout: seconds for the whole call.
            ids: the former name of `shard_ids`.
        """
        return self._call(requests.events(since, chosen_ids(shard_ids, ids, "ids")), timeout)

    def history(
        self,
        shard_ids: Collection[str] = (),
        fields: Collection[str] = (),
        labels: Mapping[str, str] | None = None,
        *,
        since: float = 0.0,
        timeout: float | None = None,
    ) -> History:
        """Return the last minutes of shards, as far as the daemon has stored them in memory.

        Args:
            shard_ids: ids of the shards; empty for all.
            fields: names of series: `ops`, `memory`, `hit_ratio`, `clients`, `net_in`, `net_out`,
                `evicted` and `lag`; empty for all.
            labels: labels that a shard must have; None for any.
            since: only values after this time, in seconds since the Unix epoch; 0 for all.
            timeout: seconds for the whole call.

        Returns:
            A mapping from the name of a series to a mapping from the id of a shard to its values,
            oldest first, NaN where the shard did not answer.

        Raises:
            BadRequestError: a series is unknown.
            UnknownShardError: a shard does not exist.
            UnknownOpError: the daemon has no history.
        """
        try:
            return self._call(histories.history(shard_ids, fields, labels, since), timeout)
        except UnknownOpError as error:
            raise histories.no_history(error) from error

    def sources(self, *, timeout: float | None = None) -> list[Map]:
        """Return the state of each source of shards, in the order of the configuration.

        Args:
            timeout: seconds for the whole call.

        Returns:
            One dict for each source; docs/reference/protocol.md describes its keys. A client that
            cannot see all shards gets only a part of them: the others are None.

        Raises:
            UnknownOpError: the daemon is of a version without sources.
        """
        return self._call(requests.sources(), timeout)

    def accept_source(self, name: str, *, timeout: float | None = None) -> int:
        """Remove at once the shards that the last answer of a source does not list.

        Without this, the daemon polls them until it has two witnesses that they are gone.

        Args:
            name: name of the source.
            timeout: seconds for the whole call.

        Returns:
            The number of shards that are removed; 0 if the answer lists all of them.

        Raises:
            BadRequestError: no source has this name.
            NotAllowedError: this client is not allowed to do this.
            UnknownOpError: the daemon is of a version without sources.
        """
        return self._call(requests.accept_source(name), timeout)

    def stats(self, *, timeout: float | None = None) -> Map:
        """Return the daemon's own counters since its start. Their names vary between versions.

        Args:
            timeout: seconds for the whole call.
        """
        return self._call(requests.stats(), timeout)

    def ping(self, *, timeout: float | None = None) -> float:
        """Return the daemon's wall clock, in seconds since the Unix epoch.

        Args:
            timeout: seconds for the whole call.
        """
        return self._call(requests.ping(), timeout)

    def request(self, op: str, /, *, timeout: float | None = None, **args: Any) -> Reply:
        """Send any request, and return one page of its reply, for operations without a method.

        Args:
            op: name of the operation.
            timeout: seconds for the whole call.
            **args: arguments of the operation.

        Returns:
            An object with the attributes `header` (dict), `body`, `epoch` (int) and `cursor` (str,
            or None on the last page).
        """
        return self._exchange(op, args, self._deadline(timeout))

    def _deadline(self, timeout: float | None) -> float:
        return clock() + (self.timeout if timeout is None else timeout)

    @abc.abstractmethod
    def _call(self, call: Call[_Result], timeout: float | None) -> _Result:
        """Request all pages of an operation, each one before the previous one is decoded."""

    @abc.abstractmethod
    def _exchange(self, op: str, args: Map, deadline: float) -> Reply:
        """Send one request and return its reply."""
