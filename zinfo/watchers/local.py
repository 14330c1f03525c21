"""LocalShardWatcher: a shard for every Redis, Valkey and KeyDB server process of this machine."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gevent
from gevent.event import Event

from zinfo.errors import ShardExistsError
from zinfo.shards.peer_user import resolve_uids
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.watchers.base import ShardWatcher
from zinfo.watchers.process_table import ProcessTable, Refusal, Scan
from zinfo.watchers.processes import Address, LocalServer, by_address

logger = logging.getLogger(__name__)

FIRST_SCAN_TIMEOUT = 5.0
"""Seconds that `start` waits for the first scan, so that there are shards when it returns."""

MISSES = 2
"""Scans in a row that must miss a server before its shard is removed."""

_CREDENTIALS = frozenset({"username", "password", "password_file", "password_env"})

POLL_GRACE = 1.0
"""Seconds beyond a shard's longest interval within which the poller has seen that it is down."""


class LocalShardWatcher(ShardWatcher):
    """Finds redis-server, valkey-server and keydb-server processes and keeps them live as shards.

    A shard's id is `host:port`, or the path of the Unix socket of a server that has TCP switched
    off. Its labels are the given ones with `pid` and `process` (the program's name).

    A server that restarts at the same address keeps its shard, which gets the new `pid`. One that
    has gone is removed when two scans in a row have missed it, and not before the poller has found
    it down or had the time to: so subscribers hear `down` before `removed`, and a quick restart is
    no removal. A scan that fails changes nothing. A shard that somebody else takes out of the
    publisher comes back with the next scan while its server runs; one whose id another watcher has
    becomes live once that watcher lets go.

    Left out are Sentinels, the children in which servers save, processes that this user may not
    inspect, and those with a network of their own (containers); the last two with one line in the
    log for each process. A server with nothing but TLS is recognised only where its process title
    or its arguments say so; otherwise, name it in the configuration with a rediss:// URL.

    User and password are sent to servers of root, of this process's own user and of the trusted
    users only, as any user may start a process that has the name of a server. Others are polled
    without, with one line in the log for each process. Where the system tells whose process is at
    the other end of a connection (Linux), that is looked at before the password is sent.

    Args:
        publisher: the registry to keep in step.
        interval: seconds from the end of a scan to the beginning of the next.
        labels: labels for every shard.
        trusted_users: names or ids of more users to whose servers the password is sent; `*` for
            all users.
        shard_class: made for each server.
        **options: what `RedisShard` takes with a URL, for every shard: username, password_file, ...

    Raises:
        TypeError: an option that `RedisShard` does not know.
        ValueError: the interval is not positive.
    """

    def __init__(
        self,
        publisher: ShardPublisher,
        *,
        interval: float = 2.0,
        labels: Mapping[str, str] | None = None,
        trusted_users: Sequence[str] = (),
        shard_class: type[RedisShard] = RedisShard,
        **options: Any,
    ) -> None:
        super().__init__(publisher)
        self._shard_class = shard_class
        if interval <= 0:
            raise ValueError(f"interval must be more than 0 seconds, not {interval!r}")
        self.interval = interval
        self._labels = dict(labels or {})
        self._options = options
        self._without_credentials = {
            name: value for name, value in options.items() if name not in _CREDENTIALS
        }
        self._trusted_users = trusted_users
        self._trusted_uids: frozenset[int] | None = None
        self._trusted: dict[str, bool] = {}  # by id: whether its shard has the credentials
        self._distrusted: set[tuple[int, float]] = set()  # processes; said once
        self.make_shard("options", "redis://localhost", {}, **options)  # raises now, not later
        self._started = False
        self._scanned = Event()
        self._missed: dict[str, tuple[int, float]] = {}  # scans, and when the first of them was
        self._scan_fails = False

    def start(self) -> None:
        """Begin to watch; returns after the first scan, which takes some milliseconds."""
        if not self._started:
            self._scanned.clear()
            self._find_trusted()
            self.spawn(partial(self._run, self.make_table()))
            self._started = True
            self._scanned.wait(FIRST_SCAN_TIMEOUT)

    def stop(self) -> None:
        """Stop watching and remove the shards that this watcher added."""
        super().stop()  # a scan under way in the pool ends by itself; its table is not used again
        self._started = False
        self._scanned.set()  # nobody waits for a scan that does not come any more
        self._missed.clear()
        self._trusted.clear()
        self._distrusted.clear()

    def make_table(self) -> ProcessTable:
        """Return what is scanned; to be overridden where processes are listed otherwise."""
        return ProcessTable()

    def make_shard(
        self, ident: str, url: str, labels: Mapping[str, str], **options: Any
    ) -> RedisShard:
        """Return a shard for a server that was found; to be overridden for one made otherwise."""
        return self._shard_class(ident, url, labels=labels, **options)

    def _run(self, table: ProcessTable) -> None:
        pool = gevent.get_hub().threadpool
        while True:
            try:
                self._apply(pool.apply(table.scan, (time.monotonic(),)))
            except (Exception, gevent.Timeout) as error:
                if not self._scan_fails:  # said once
                    self.publisher.report_fault(type(self).__name__, error)
                    logger.exception(
                        "cannot scan the processes; keeping %d known shards, next try in %g s",
                        len(self._owned),
                        self.interval,
                    )
                self._scan_fails = True
            self._scanned.set()
            gevent.sleep(self.interval)

    def _apply(self, scan: Scan) -> None:
        """Bring the shards in step with what a scan has found."""
        if self._scan_fails:
            logger.info("the processes can be scanned again")
            self._scan_fails = False
        for refusal in scan.refusals:
            _report_refusal(refusal)
        for ident in [ident for ident in self._owned if not self.is_live(ident)]:
            self.remove(ident)  # somebody else took it out of the publisher: no longer ours
        found = by_address(scan.servers)
        for server in found.values():
            if server.address is not None:
                self._found(server, server.address)
        self._distrusted &= {(server.pid, server.create_time) for server in scan.servers}
        for ident in self._trusted.keys() - found.keys() - self._owned.keys():
            del self._trusted[ident]
        for ident in self._claimed.keys() - found.keys():
            self.remove(ident)
        for ident in self._owned.keys() - found.keys():
            self._miss(ident, time.monotonic())

    def _find_trusted(self) -> None:
        self._trusted_uids, unknown = resolve_uids(self._trusted_users)
        for user in unknown:
            logger.warning("trusted users: there is no user %s", user)

    def _trusts(self, server: LocalServer) -> bool:
        """Return whether a server may see the credentials, if there are any."""
        trusted = self._trusted_uids
        if trusted is None or not self._options.keys() & _CREDENTIALS:
            return True
        return bool(server.uids) and server.uids <= trusted

    def _options_for(self, server: LocalServer, trusted: bool) -> dict[str, Any]:
        if not self._options.keys() & _CREDENTIALS:
            return self._options
        if trusted:
            # Looked at again at each connect: until then the address may have changed hands.
            return {**self._options, "trusted_uids": self._trusted_uids}
        process = server.pid, server.create_time
        if process not in self._distrusted:
            self._distrusted.add(process)
            logger.warning(
                "process %d (%s) is not sent user and password: it belongs to user %s; "
                "name that user in local.trusted_users if it may see them",
                server.pid,
                server.name,
                ", ".join(map(str, sorted(server.uids))) or "unknown",
            )
        return self._without_credentials

    def _found(self, server: LocalServer, address: Address) -> None:
        self._missed.pop(address.ident, None)
        trusted = self._trusts(server)
        if self._trusted.get(address.ident, trusted) != trusted:
            self.remove(address.ident)  # another user's server is there now
        self._trusted[address.ident] = trusted
        labels = {**self._labels, "pid": str(server.pid), "process": server.name}
        shard = self._owned.get(address.ident) or self._claimed.get(address.ident)
        if shard is not None:
            if shard.labels.get("pid") != labels["pid"]:
                logger.info("shard %s has a new process, %d", address.ident, server.pid)
            self.set_labels(address.ident, {**shard.labels, **labels})
            return
        try:
            options = self._options_for(server, trusted)
            self.add(self.make_shard(address.ident, address.url, labels, **options))
        except ShardExistsError:
            logger.info("shard %s is live already, from another watcher", address.ident)
        else:
            logger.info("found %s, process %d, at %s", server.name, server.pid, address.ident)

    def _miss(self, ident: str, now: float) -> None:
        """Count a scan without the server; remove its shard when it is time."""
        count, since = self._missed.get(ident, (0, now))
        self._missed[ident] = (count + 1, since)
        shard = self._owned[ident]
        seen_down = shard.state is ShardState.DOWN
        waited = now - since >= shard.MAX_POLLING_INTERVAL + POLL_GRACE
        if count + 1 >= MISSES and (seen_down or waited):
            logger.info("the process of shard %s has gone", ident)
            del self._missed[ident]
            self.remove(ident)


def _report_refusal(refusal: Refusal) -> None:
    logger.warning("process %d (%s) is not watched: %s", refusal.pid, refusal.name, refusal.reason)
