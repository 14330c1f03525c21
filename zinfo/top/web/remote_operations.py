"""RemoteOperations: the requests of the page beside the table, passed on to a daemon or several."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar, cast

import falcon
from gevent.threadpool import ThreadPool

from zinfo.client import Client, Fleet
from zinfo.client.history import body_of
from zinfo.errors import RequestError, UnknownOpError, ZinfoError
from zinfo.query.arguments import MAX_IDS, Arguments
from zinfo.query.call import OperationResult, QueryLimits
from zinfo.security.rights import Rights
from zinfo.top.daemon_reader import allowed_operations
from zinfo.wire.codec import pack
from zinfo.wire.query_messages import Request

SERVED: Final = ("get_infos", "shards", "events", "history")
"""The operations that the page calls."""

_Result = TypeVar("_Result")

_EXTRA: Final = frozenset(("cursor", "oldest", "newest"))  # of the header of a reply
_NO_HISTORY: Final = {"step": 1.0, "newest": 0.0, "points": 0, "ids": [], "fields": {}}
_MAX_TEXT: Final = 200  # characters of an error


class RemoteOperations:
    """Runs operations at a daemon, or at several that share the shards.

    Each call runs in a thread, while the event loop runs.

    Args:
        connect: returns a new client of the daemons. Each call has one for itself.
        labels: those that every shard has to have.
        pool: runs what waits.

    Attributes:
        limits: of requests; the daemon has its own.
    """

    def __init__(
        self, connect: Callable[[], Client | Fleet], labels: Mapping[str, str], pool: ThreadPool
    ) -> None:
        self.limits = QueryLimits()
        self._connect = connect
        self._labels = dict(labels)
        self._pool = pool
        self._idle: list[Client | Fleet] = []

    def close(self) -> None:
        """Close the sockets of the clients that no call uses."""
        while self._idle:
            self._idle.pop().close()

    def names(self) -> list[str]:
        """Return the operations that this client may call at every daemon that answers."""
        with self._client() as client:
            return self._in_thread(lambda: sorted(_allowed(client)))

    def run(
        self,
        request: Request,
        rights: Rights,  # noqa: ARG002  # the daemon knows those of this client
        *,
        limits: QueryLimits | None = None,  # noqa: ARG002  # the daemon has its own
    ) -> OperationResult:
        """Run one request; waits for the reply.

        Args:
            request: the request.
            rights: not used: each browser has those of this client.
            limits: not used.

        Raises:
            RequestError: a daemon refuses the request.
            falcon.HTTPServiceUnavailable: no daemon answers.
        """
        with self._client() as client:
            try:
                return self._in_thread(lambda: self._run(client, request.op, dict(request.args)))
            except UnknownOpError:
                if request.op != "history":
                    raise
                return OperationResult(pack(_NO_HISTORY))  # it is older, or keeps none

    @contextmanager
    def _client(self) -> Iterator[Client | Fleet]:
        client = self._idle.pop() if self._idle else self._connect()
        try:
            yield client
        finally:
            self._idle.append(client)

    def _in_thread(self, call: Callable[[], _Result]) -> _Result:
        def attempt() -> tuple[_Result | None, ZinfoError | None]:
            try:
                return call(), None
            except ZinfoError as error:  # gevent would print an exception of its thread
                return None, error

        result, error = self._pool.apply(attempt)
        if isinstance(error, RequestError):
            raise error
        if error is not None:
            raise falcon.HTTPServiceUnavailable(description=str(error)[:_MAX_TEXT])
        return cast("_Result", result)

    # --- in a thread

    def _run(self, client: Client | Fleet, op: str, args: dict[str, Any]) -> OperationResult:
        if self._labels and op != "events":
            args["labels"] = {**args.get("labels", {}), **self._labels}
        if op in ("shards", "events") and "shard_ids" in args:
            args["ids"] = args.pop("shard_ids")  # older daemons know only this name
        if isinstance(client, Fleet):
            return OperationResult(pack(_ask_fleet(client, op, args)))
        reply = client.request(op, **args)
        body, extra = reply.body, dict(reply.header)
        if self._labels and op == "events" and isinstance(body, list):
            shown = {one["id"] for one in client.shards(labels=self._labels)}
            body = [event for event in body if not event["shard"] or event["shard"] in shown]
        return OperationResult(pack(body), {name: extra[name] for name in _EXTRA & extra.keys()})


def _allowed(client: Client | Fleet) -> Collection[str]:
    if not isinstance(client, Fleet):
        return allowed_operations(client.hello()) & set(SERVED)
    found = set(SERVED)
    for hello in client.hello().values():
        found &= allowed_operations(hello)
    return found


def _ask_fleet(fleet: Fleet, op: str, args: Mapping[str, object]) -> object:
    """Return the merged replies of several daemons."""
    given = Arguments(args)
    if op == "events":
        return [{**one.event.as_map(), "node": one.node} for one in fleet.events(given.shard_ids())]
    labels = given.labels("labels")
    if op == "history":
        fields, since = given.texts("fields"), given.seconds("since")
        return body_of(fleet.history(given.shard_ids(), fields, labels, since=since))
    if op == "shards":
        return list(fleet.shards(given.shard_ids(), labels, state=given.states("state")))
    return list(
        fleet.get_infos(
            given.ids("shard_ids"),
            given.texts("keys", MAX_IDS),
            given.flag("allow_partial"),
            given.seconds("max_age"),
            given.flag("prefix_matching"),
            sections=given.texts("sections", MAX_IDS),
            labels=labels,
            state=given.states("state"),
            with_labels=given.flag("with_labels"),
        )
    )
