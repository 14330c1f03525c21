"""Fleet: several daemons that share the shards, as if they were one."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import zmq

from zinfo.client.client import Client
from zinfo.client.closing import Closing
from zinfo.client.fleet_calls import FleetCalls
from zinfo.client.fleet_endpoints import RESOLVE_INTERVAL, RETRY_INTERVAL, lookup
from zinfo.client.fleet_mapping import READY_CHECK_SECONDS, FleetMapping
from zinfo.client.fleet_members import FleetMember, FleetMembers, Member
from zinfo.client.fleet_mirrors import FleetMirrors
from zinfo.client.fleet_operations import FleetOperations
from zinfo.client.former_names import chosen_ids
from zinfo.client.mirror import Mirror
from zinfo.client.mirror_base import check_selection
from zinfo.client.sockets import Context, clock
from zinfo.errors import ZinfoError
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT

_POLL_SECONDS = 0.1  # `close` waits so long for a request to a silent daemon
_MAX_THREADS = 64  # for requests that are in flight at the same time


class Fleet(FleetMapping, FleetOperations, Closing):
    """Several daemons that share the shards. A context manager: leaving it closes the sockets.

    It is a live copy of the shards of all daemons: a read-only mapping from shard id to INFO. The
    first use of the mapping, or `wait_ready`, starts a Mirror for each daemon, with a thread each.

    A shard is *fresh* if the copy of one of the daemons that poll it is; `Mirror` says when a copy
    is fresh. Of several fresh copies, the one with the newest INFO is returned; without a fresh
    copy, the newest of all. INFO, state and labels of a shard are always those of the same copy.

    `stale` is true if a shard may exist that no fresh copy is held of. If the daemons have slices
    with two copies, the Fleet is not stale while one of them is silent. While daemons get another
    number of slices, it is enough if either the former or the new slices cover all shards. Daemons
    without slices may have different shards: the Fleet is stale if one of them is silent.

    Requests (`get_infos` and others) go to all daemons at once, in threads, and return the newest
    copy of each shard. Several threads may use one Fleet.

    Args:
        endpoints: the query endpoint of each daemon; one is valid. `dns+tcp://NAME:PORT` stands for
            all A and AAAA records of a name, which is looked up every 30 seconds, in a thread.
        shard_ids: ids of the shards in the live copy; None for all.
        labels: labels that a shard in the live copy has; None for any.
        fields: names of the fields in the live copy; None for all.
        timeout: seconds for a request, retries included.
        retries: how often a request is sent again to a daemon.
        context: creates the sockets; a `zmq.green.Context` in a process patched by gevent. None for
            the process's default context.
        keys: CURVE keys (`ClientKeys.read`); None for daemons without CURVE.
        allow_missing: whether a result may lack the shards of silent daemons. Otherwise that is a
            `MissingSlicesError`.
        shards: the former name of `shard_ids`.

    Raises:
        ConfigError: an endpoint is invalid.
        TypeError: `shard_ids`, `labels` or `fields` has a wrong type.
    """

    def __init__(  # noqa: PLR0913 - one is the former name of another
        self,
        endpoints: str | Collection[str] = DEFAULT_QUERY_ENDPOINT,
        *,
        shard_ids: Collection[str] | None = None,
        labels: Mapping[str, str] | None = None,
        fields: Collection[str] | None = None,
        timeout: float = 5.0,
        retries: int = 1,
        context: Context | None = None,
        keys: ClientKeys | None = None,
        allow_missing: bool = False,
        shards: Collection[str] | None = None,
    ) -> None:
        self.timeout = timeout
        self.retries = retries
        self.allow_missing = allow_missing
        shard_ids = chosen_ids(shard_ids, shards, "shards")
        check_selection(shard_ids, labels, fields)
        self._shards, self._labels, self._fields = shard_ids, labels, fields
        self._keys = keys
        self._context: Context = context or zmq.Context.instance()
        self._fleet = FleetMembers(endpoints, self._new_client)
        super().__init__(FleetMirrors(self._fleet, self._new_mirror))
        self._gone: deque[Member[Client]] = deque()  # closed by a thread that sends requests
        self._pool = ThreadPoolExecutor(_MAX_THREADS, "zinfo-fleet")  # starts threads when needed
        self._closing = threading.Event()
        self._looked_up = threading.Event()  # each name once
        if self._fleet.names:
            thread = threading.Thread(target=self._follow_names, name="zinfo-names", daemon=True)
            thread.start()

    def __repr__(self) -> str:
        return f"<Fleet {' '.join(member.endpoint for member in self.members)}>"

    @property
    def members(self) -> tuple[FleetMember, ...]:
        """The daemons, as far as they are known now; `find_members` asks them."""
        return self._mirrors.members()

    def wait_ready(self, timeout: float = 10.0) -> None:
        """Wait until the live copy has all shards and none is stale.

        Args:
            timeout: seconds.

        Raises:
            MissingSlicesError: the time has passed, and so many daemons are silent that shards may
                be missing.
            NoAnswerError: the time has passed, and some shards are stale.
        """
        deadline = clock() + timeout
        while self.stale:
            if self._closing.is_set() or clock() >= deadline:
                raise self._not_ready(timeout)
            self._closing.wait(READY_CHECK_SECONDS)

    def close(self) -> None:
        """Close the sockets, and end all threads. The live copy stays readable, and is stale."""
        self._closing.set()
        mirrors = self._mirrors.end()
        for mirror in mirrors:
            mirror._closing = True  # so that all threads end at the same time
        for mirror in mirrors:
            mirror.close()
        members = [*self._fleet.current(), *self._gone]
        for member in members:
            member.client._closed = True  # ends its call
        self._pool.shutdown(cancel_futures=True)
        for member in members:
            member.client.close()

    # --- requests

    def _new_client(self, endpoint: str) -> Client:
        client = Client(
            endpoint,
            timeout=self.timeout,
            retries=self.retries,
            context=self._context,
            keys=self._keys,
        )
        client._poll_seconds = _POLL_SECONDS
        return client

    def _new_mirror(self, endpoint: str) -> Mirror:
        mirror = Mirror(
            endpoint,
            shard_ids=self._shards,
            labels=self._labels,
            fields=self._fields,
            context=self._context,
            keys=self._keys,
        )
        mirror._state.watch_sources()
        return mirror

    def _current(self, timeout: float | None = None) -> list[Member[Client]]:
        """Return the daemons; wait until each name has been looked up once."""
        if self._fleet.names:
            self._looked_up.wait(self.timeout if timeout is None else timeout)
        self._close_gone()
        return self._fleet.current()

    def _close_gone(self) -> None:
        """Close the clients of daemons that are gone, but for those that a thread still uses."""
        for _ in range(len(self._gone)):
            member = self._gone.popleft()
            if member.lock.acquire(blocking=False):
                member.client.close()
                member.lock.release()
            else:
                self._gone.append(member)

    def _new_calls(self) -> FleetCalls:
        return FleetCalls(self._submit)

    def _submit(self, call: Callable[[], None]) -> Future[None]:
        if self._closing.is_set():
            raise ValueError("this Fleet is closed")
        return self._pool.submit(call)

    # --- names

    def _follow_names(self) -> None:
        """Look the names up, again and again."""
        while not self._closing.is_set():
            began = clock()
            for name in self._fleet.names:
                try:
                    gone = self._fleet.on_addresses(name, lookup(name), self._mirrors.answers)
                except ZinfoError as error:
                    self._fleet.on_lookup_error(name, error)
                else:
                    self._gone.extend(gone)
            for mirror in self._mirrors.update():
                mirror.close()
            self._looked_up.set()
            interval = RETRY_INTERVAL if self._fleet.unresolved else RESOLVE_INTERVAL
            self._closing.wait(max(0.0, began + interval - clock()))
