"""LocalShardWatcher: a shard for each Redis, Valkey and KeyDB server process on this machine."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import gevent
from gevent.event import Event

from zinfo.discovery.local.process_table import ProcessTable, Refusal, Scan
from zinfo.discovery.local.processes import Address, LocalServer, by_address
from zinfo.discovery.watcher import ShardWatcher
from zinfo.errors import ShardExistsError
from zinfo.shards.peer_user import resolve_uids
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard, ShardState

logger = logging.getLogger(__name__)

FIRST_SCAN_TIMEOUT = 5.0
"""Seconds that `start` waits for the first scan, so that the shards are live when it returns."""

MISSES = 2
"""Scans in a row that must not find a server before its shard is removed."""

_CREDENTIALS = frozenset({"username", "password", "password_file", "password_env"})

POLL_GRACE = 1.0
"""Seconds after a shard's longest interval by which the poller has noticed that it is down."""


class LocalShardWatcher(ShardWatcher):
    """Finds redis-server, valkey-server and keydb-server processes and keeps them live as shards.

    A shard's id is `host:port`, or the path of the Unix socket if the server has TCP disabled. Its
    labels are the given ones plus `pid` and `process` (the program's name).

    A server that restarts at the same address keeps its shard, which gets the new `pid`. A shard is
    removed when two scans in a row did not find its server, and not before the poller has found it
    down or had the time to do so. So subscribers receive `down` before `removed`, and a quick
    restart does not remove the shard. A scan that fails changes nothing. A shard that other code
    removes from the publisher becomes live again at the next scan while its server runs. If another
    watcher has made the id live, the shard becomes live when that one is removed.

    Sentinels, child processes that save, processes that this user is not allowed to inspect, and
    those in another network namespace (containers) are not included; the last two are logged once
    for each process. A server that accepts only TLS is recognised only if its process title or its
    arguments say so; otherwise list it in the configuration with a rediss:// URL.

    User and password are sent only to servers of root, of this process's own user and of the
    trusted users, because any user can start a process with the name of a server. Other servers are
    polled without them, which is logged once for each process. On systems that report the owner of
    a connection's peer (Linux), the owner is checked before the password is sent.

    Args:
        publisher: the registry to keep up to date.
        interval: seconds from the end of a scan to the start of the next.
        labels: labels for every shard.
        trusted_users: names or ids of more users to whose servers the password is sent; `*` for
            all users.
        shard_class: class of the shards.
        **options: keyword arguments of `RedisShard` for every shard: username, password_file, ...

    Raises:
        TypeError: `RedisShard` does not have one of the options.
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
        self._trusted: dict[str, bool] = {}  # by shard id: whether it has the credentials
        self._distrusted: set[tuple[int, float]] = set()  # processes for which that was logged
        self.make_shard("options", "redis://localhost", {}, **options)  # raises on a bad option
        self._started = False
        self._scanned = Event()
        self._missed: dict[str, tuple[int, float]] = {}  # number of scans, time of the first
        self._scan_fails = False

    def start(self) -> None:
        """Start watching; returns after the first scan, which takes some milliseconds."""
        if not self._started:
            self._scanned.clear()
            self._resolve_trusted_users()
            self.spawn(partial(self._run, self.make_table()))
            self._started = True
            self._scanned.wait(FIRST_SCAN_TIMEOUT)

    def stop(self) -> None:
        """Stop watching and remove the shards that this watcher added."""
        super().stop()  # a running scan ends by itself; its table is not used again
        self._started = False
        self._scanned.set()  # wakes a `start` that waits for a scan
        self._missed.clear()
        self._trusted.clear()
        self._distrusted.clear()

    def make_table(self) -> ProcessTable:
        """Return the table that is scanned; override it to list processes in another way."""
        return ProcessTable()

    def make_shard(
        self, ident: str, url: str, labels: Mapping[str, str], **options: Any
    ) -> RedisShard:
        """Return a shard for a server that was found; override it to create another one."""
        return self._shard_class(ident, url, labels=labels, **options)

    def _run(self, table: ProcessTable) -> None:
        pool = gevent.get_hub().threadpool
        while True:
            try:
                self._apply(pool.apply(table.scan, (time.monotonic(),)))
            except (Exception, gevent.Timeout) as error:
                if not self._scan_fails:  # logged once
                    self.publisher.report_fault(type(self).__name__, error)
                    logger.exception(
                        "cannot scan the processes; keeping %d known shards, next scan in %g s",
                        len(self._owned),
                        self.interval,
                    )
                self._scan_fails = True
            self._scanned.set()
            gevent.sleep(self.interval)

    def _apply(self, scan: Scan) -> None:
        """Add, update and remove shards according to a scan."""
        if self._scan_fails:
            logger.info("the processes can be scanned again")
            self._scan_fails = False
        for refusal in scan.refusals:
            _report_refusal(refusal)
        for ident in [ident for ident in self._owned if not self.is_live(ident)]:
            self.remove(ident)  # other code removed it from the publisher
        found = by_address(scan.servers)
        for server in found.values():
            if server.address is not None:
                self._on_found(server, server.address)
        self._distrusted &= {(server.pid, server.create_time) for server in scan.servers}
        for ident in self._trusted.keys() - found.keys() - self._owned.keys():
            del self._trusted[ident]
        for ident in self._claimed.keys() - found.keys():
            self.remove(ident)
        for ident in self._owned.keys() - found.keys():
            self._on_missing(ident, time.monotonic())

    def _resolve_trusted_users(self) -> None:
        self._trusted_uids, unknown = resolve_uids(self._trusted_users)
        for user in unknown:
            logger.warning("trusted users: there is no user %s", user)

    def _trusts(self, server: LocalServer) -> bool:
        """Return whether a server may receive the credentials, if there are any."""
        trusted = self._trusted_uids
        if trusted is None or not self._options.keys() & _CREDENTIALS:
            return True
        return bool(server.uids) and server.uids <= trusted

    def _options_for(self, server: LocalServer, trusted: bool) -> dict[str, Any]:
        if not self._options.keys() & _CREDENTIALS:
            return self._options
        if trusted:
            # Checked again at each connect: another process may have taken the address.
            return {**self._options, "trusted_uids": self._trusted_uids}
        process = server.pid, server.create_time
        if process not in self._distrusted:
            self._distrusted.add(process)
            logger.warning(
                "user and password are not sent to process %d (%s): it belongs to user %s; "
                "add that user to local.trusted_users if its servers may receive them",
                server.pid,
                server.name,
                ", ".join(map(str, sorted(server.uids))) or "unknown",
            )
        return self._without_credentials

    def _on_found(self, server: LocalServer, address: Address) -> None:
        self._missed.pop(address.ident, None)
        trusted = self._trusts(server)
        if self._trusted.get(address.ident, trusted) != trusted:
            self.remove(address.ident)  # a server of another user has the address now
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
            logger.info("shard %s is already live, added by another watcher", address.ident)
        else:
            logger.info("found %s, process %d, at %s", server.name, server.pid, address.ident)

    def _on_missing(self, ident: str, now: float) -> None:
        """Count a scan that did not find the server; remove its shard after enough of them."""
        count, since = self._missed.get(ident, (0, now))
        self._missed[ident] = (count + 1, since)
        shard = self._owned[ident]
        seen_down = shard.state is ShardState.DOWN
        waited = now - since >= shard.MAX_POLLING_INTERVAL + POLL_GRACE
        if count + 1 >= MISSES and (seen_down or waited):
            logger.info("the process of shard %s has ended", ident)
            del self._missed[ident]
            self.remove(ident)


def _report_refusal(refusal: Refusal) -> None:
    logger.warning("process %d (%s) is not watched: %s", refusal.pid, refusal.name, refusal.reason)
