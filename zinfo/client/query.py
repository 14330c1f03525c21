"""Client: one question to the daemon, one answer."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Collection, Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar

import zmq

from zinfo.client import requests
from zinfo.client.endpoints import checked
from zinfo.client.requests import Attempts, Call, Map, Paging, RecentEvents
from zinfo.client.sockets import (
    Context,
    Socket,
    clock,
    open_query,
    receive_reply,
    send_request,
    wait,
)
from zinfo.errors import ConfigError, ProtocolError, RequestError
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT, Reply, Request, decode_reply_header

_Result = TypeVar("_Result")


class Client:
    """Asks a daemon.

    A request that is not answered within its share of the time is asked again on a fresh socket,
    while the answer to the first is still taken if it comes. All operations only read, so that
    asking twice does no harm.

    A Client answers one call at a time: use one in each thread (or greenlet). Like a socket it does
    not survive a fork.

    Args:
        endpoint: the daemon's query endpoint.
        timeout: seconds for a call, retries included, where the call does not say.
        retries: how often a request is asked again.
        context: makes the sockets; a `zmq.green.Context` in a process patched by gevent. None for
            this process's own.
        keys: by which client and daemon know each other (`ClientKeys.read`); None where the daemon
            asks for none.

    Raises:
        ConfigError: an endpoint that is none.

    Every method raises:
        NoAnswerError: nothing answered in time.
        RequestError: the daemon refused; the subclass and `code` tell why.
        ProtocolError: what answers there does not speak zinfo's wire.
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_QUERY_ENDPOINT,
        *,
        timeout: float = 5.0,
        retries: int = 1,
        context: Context | None = None,
        keys: ClientKeys | None = None,
    ) -> None:
        self.endpoint = checked(endpoint)
        self.timeout = timeout
        self.retries = retries
        self._keys = keys
        self._context: Context = context or zmq.Context.instance()
        self._sockets: list[Socket] = []  # the last one is asked; the others may still answer
        self._ids = itertools.count(1)
        self._busy = threading.Lock()
        self._closed = False

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the sockets."""
        self._closed = True
        self._drop_sockets()

    # --- operations

    def hello(self, *, timeout: float | None = None) -> Map:
        """Return what the daemon is: node, epoch, versions, bus, ops, limits, heartbeat, zinfo."""
        return self._call(requests.hello(), timeout)

    def get_infos(  # noqa: PLR0913 - those of GetInfos, and what the wire adds
        self,
        shard_ids: Collection[str] = (),
        keys: Collection[str] = (),
        allow_partial: bool = False,
        max_age: float = 0.0,
        prefix_matching: bool = False,
        *,
        sections: Collection[str] = (),
        labels: Mapping[str, str] | None = None,
        refresh: bool = False,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> list[Map]:
        """Return the INFO of shards, each with `meta`: shard_identifier, info_age, state and more.

        Args:
            shard_ids: of whom; empty for every shard that was polled at least once.
            keys: only these fields; empty for all.
            allow_partial: a shard that is unknown or was never polled gets an entry whose meta has
                `error`, instead of being an error.
            max_age: seconds; leaves out what is older. 0 for any age.
            prefix_matching: `keys` are beginnings of field names.
            sections: only fields of these sections, by the names that the server gives them.
            labels: only shards that have all of these.
            refresh: have shards polled now whose INFO is older than `max_age`.
            limit: entries to a page of the reply; all pages are fetched.
            timeout: seconds for the whole call.

        Raises:
            UnknownShardError, NotPolledError: both are KeyErrors; not with `allow_partial`.
        """
        arguments = {
            "shard_ids": shard_ids,
            "keys": keys,
            "allow_partial": allow_partial,
            "max_age": max_age,
            "prefix_matching": prefix_matching,
            "sections": sections,
            "labels": labels,
            "refresh": refresh,
            "limit": limit,
        }
        return self._call(requests.get_infos(arguments), timeout)

    def iter_infos(
        self, shard_ids: Collection[str] = (), *, timeout: float | None = None, **arguments: Any
    ) -> Iterator[list[Map]]:
        """Yield what `get_infos` returns, page by page as it comes.

        Args:
            shard_ids: of whom; empty for every shard that was polled at least once.
            timeout: seconds for each page.
            **arguments: any of `get_infos`.
        """
        call = requests.get_infos({"shard_ids": shard_ids, **arguments})
        paging = Paging(call.args)
        while not paging.done:
            page = self._exchange(call.op, paging.args, self._deadline(timeout))
            paging.took(page)
            yield call.read([page])

    def shards(
        self,
        ids: Collection[str] = (),
        labels: Mapping[str, str] | None = None,
        *,
        timeout: float | None = None,
    ) -> list[Map]:
        """Return what the daemon knows of shards beside their INFO: state, reason, age and more."""
        return self._call(requests.shards(ids, labels), timeout)

    def snapshot(self, ids: Collection[str] = (), *, timeout: float | None = None) -> list[Map]:
        """Return shards with INFO, revision and state, as a mirror needs them."""
        return self._call(requests.snapshot(ids), timeout)

    def events(
        self, since: int = 0, ids: Collection[str] = (), *, timeout: float | None = None
    ) -> RecentEvents:
        """Return the lifecycle events that the daemon still holds.

        Args:
            since: number of the last event that is known already; 0 for all.
            ids: of these shards; empty for all.
            timeout: seconds for the whole call.
        """
        return self._call(requests.events(since, ids), timeout)

    def stats(self, *, timeout: float | None = None) -> Map:
        """Return the daemon's own counters."""
        return self._call(requests.stats(), timeout)

    def ping(self, *, timeout: float | None = None) -> float:
        """Return the daemon's wall clock, seconds since the Unix epoch."""
        return self._call(requests.ping(), timeout)

    def request(self, op: str, /, *, timeout: float | None = None, **args: Any) -> Reply:
        """Ask anything, and return the reply as it came.

        Args:
            op: name of the operation.
            timeout: seconds, retries included.
            **args: arguments of the operation.
        """
        return self._exchange(op, args, self._deadline(timeout))

    # --- asking

    def _deadline(self, timeout: float | None) -> float:
        return clock() + (self.timeout if timeout is None else timeout)

    def _call(self, call: Call[_Result], timeout: float | None) -> _Result:
        """Ask for all pages, each before the one before it is decoded: that takes as long."""
        paging, deadline = Paging(call.args), self._deadline(timeout)
        pages: list[Reply] = []
        with self._asking():
            asked: Attempts | None = self._ask(call.op, paging.args, deadline)
            while asked is not None:
                reply = self._answer(asked)
                paging.took(reply)
                asked = None if paging.done else self._ask(call.op, paging.args, deadline)
                reply.decode_body()
                pages.append(reply)
        return call.read(pages)

    def _exchange(self, op: str, args: Map, deadline: float) -> Reply:
        with self._asking():
            reply = self._answer(self._ask(op, args, deadline))
            reply.decode_body()
        return reply

    @contextlib.contextmanager
    def _asking(self) -> Iterator[None]:
        if self._closed:
            raise ValueError("this Client is closed")
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("a Client answers one call at a time; use one in each thread")
        try:
            yield
        except RequestError:
            raise  # an answer, too
        except BaseException:
            self._drop_sockets()  # whatever is under way is not to meet the next request
            raise
        finally:
            self._busy.release()

    def _ask(self, op: str, args: Map, deadline: float) -> Attempts:
        """Send a request for the first time."""
        asked = Attempts(Request(op, args, next(self._ids)), self.retries, clock(), deadline)
        if not self._sockets:
            self._sockets.append(self._open())
        send_request(self._sockets[-1], asked.request)
        return asked

    def _answer(self, asked: Attempts) -> Reply:
        """Return the reply, its body as it came; where none comes, ask again on a fresh socket."""
        while (reply := self._reply(asked.request.id, asked.until)) is None:
            if not asked.again(clock()):
                raise asked.failed(self.endpoint, clock())
            self._sockets.append(self._open())
            send_request(self._sockets[-1], asked.request)
        if reply.error is not None:
            raise reply.error
        return reply

    def _open(self) -> Socket:
        try:
            return open_query(self._context, self.endpoint, self._keys)
        except ProtocolError as error:
            raise ConfigError([str(error)]) from error

    def _reply(self, request_id: object, until: float) -> Reply | None:
        """Return the reply with this id, if it comes in time; others are late, and dropped."""
        while True:
            for socket in self._sockets:
                while (frames := receive_reply(socket)) is not None:
                    reply = decode_reply_header(frames)
                    if reply.id == request_id:
                        self._drop_sockets(keep=socket)
                        return reply
            left = until - clock()
            if left <= 0:
                return None
            wait(self._sockets, left)

    def _drop_sockets(self, keep: Socket | None = None) -> None:
        for socket in self._sockets:
            if socket is not keep:
                socket.close(0)
        self._sockets = [] if keep is None else [keep]
