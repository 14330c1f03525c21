"""The daemon: wires the parts, starts and stops them in order, obeys signals."""

from __future__ import annotations

import gc
import logging
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from ipaddress import ip_network

import gevent
import gevent.event
import zmq.green

from zinfo._version import __version__
from zinfo.adapters.wsgi.server import WsgiServer
from zinfo.adapters.wsgi.tls import server_context
from zinfo.adapters.xmlrpc.server import XmlRpcServer
from zinfo.bus.publisher import InfoBus
from zinfo.config import Config, ShardConfig, changed_keys
from zinfo.daemon import malloc_trim
from zinfo.daemon.access_control import AccessControl
from zinfo.daemon.reload import Reloads
from zinfo.daemon.sd_notify import Notifier
from zinfo.daemon.systemd import ServiceManager
from zinfo.errors import ConfigError, EnvironmentNotReadyError
from zinfo.health import fd_limits
from zinfo.health.fd_limits import FileWatch
from zinfo.health.internal_errors import handle_hub_errors
from zinfo.health.saturation import Saturation
from zinfo.health.stats import Stats
from zinfo.loop.supervisor import Supervisor
from zinfo.metrics.selection import Selection
from zinfo.poll.limits import PollLimits
from zinfo.poll.poller import InfoPoller
from zinfo.query.call import QueryLimits
from zinfo.query.operations import Operations
from zinfo.query.router import QueryRouter
from zinfo.query.servicer import InfoProviderServicer
from zinfo.security.rights import Rights
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.shards.events import EventLog
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard
from zinfo.watchers.local import LocalShardWatcher
from zinfo.watchers.static import ShardSpec, StaticShardWatcher
from zinfo.wire.identity import Identity, default_node

logger = logging.getLogger(__name__)

_TERM_SECONDS = 1.0  # for ZeroMQ to let go of its sockets
_HTTP_REPLY_BYTES = 1 << 20  # of an answer's msgpack: JSON is made of it in one go

_NOT_TAKEN = "configuration not taken"

# Key of the configuration to class attribute of RedisShard.
_TUNABLES = {
    "min_interval": "MIN_POLLING_INTERVAL",
    "max_interval": "MAX_POLLING_INTERVAL",
    "interval_step": "POLLING_INTERVAL_STEP",
    "ops_active": "OPS_ACTIVE_THRESH",
    "ops_inactive": "OPS_INACTIVE_THRESH",
}
# What SIGHUP can change; the rest needs a restart.
_LIVE_KEYS = ("local.", "clients", "bus.endpoints", *(f"poll.{key}" for key in _TUNABLES))


class Daemon:
    """One zinfo daemon, listening from construction on.

    Args:
        config: the whole configuration.

    Raises:
        ConfigError: a file of keys cannot be used.
        EnvironmentNotReadyError: an address cannot be bound, or monkey-patching was not done.
    """

    def __init__(self, config: Config) -> None:
        self.config = self._started_with = config
        self.stats = Stats()
        self.publisher = ShardPublisher()
        self.identity = Identity(node=config.node or default_node())
        self._manager = ServiceManager(Notifier.from_environment(os.environ), self.publisher)
        self._stopped = gevent.event.Event()
        self._failed_part = ""
        self._context = zmq.green.Context()
        self._access = AccessControl(config, self._context, self.stats)
        # A class of this daemon's own, so that the configuration tunes its shards and no others.
        self._shard_class: type[RedisShard] = type("RedisShard", (RedisShard,), _tunables(config))
        poll = config.poll
        self.poller = InfoPoller(
            self.publisher,
            poll.log_after_failures,
            limits=PollLimits(
                poll.timeout, poll.connect_timeout, poll.max_reply_bytes, poll.max_fields
            ),
            max_connecting=poll.max_connecting,
            jitter=poll.jitter,
            max_backoff=poll.max_backoff,
            events=EventLog(config.query.events_kept),
            stats=self.stats,
        )
        self.bus = InfoBus(
            self._context,
            config.bus.endpoint,
            self.publisher,
            self.poller,
            stats=self.stats,
            identity=self.identity,
            high_water_mark=config.bus.high_water_mark,
            heartbeat=config.bus.heartbeat,
            advertise=config.bus.advertise,
            access=self._access.for_bus,
            limited=self._access.bus_endpoints(),
        )
        self.servicer = InfoProviderServicer(self.publisher)
        self.router = self._make_router(config)
        self.bus.query_endpoint = self.router.client_endpoint
        self.doors = self._make_doors(config)
        self._supervisor = Supervisor(
            self.stats.count_restart, self._give_up, self.poller.faults.record_crash
        )
        self._restore_hub: Callable[[], None] | None = None
        self._static = StaticShardWatcher(
            self.publisher, map(_spec, config.shards), shard_class=self._shard_class
        )
        self._local = self._make_local(config)

    def _make_router(self, config: Config) -> QueryRouter:
        limits = _limits(config)
        return QueryRouter(
            self._context,
            config.query.endpoint,
            self._make_operations(config, limits),
            stats=self.stats,
            identity=self.identity,
            limits=limits,
            access=self._access.keys,
        )

    def _make_operations(self, config: Config, limits: QueryLimits) -> Operations:
        return Operations(
            self.servicer,
            self.poller,
            stats=self.stats,
            identity=self.identity,
            limits=limits,
            bus_endpoints=self._bus_endpoints,
            heartbeat=config.bus.heartbeat,
        )

    def _bus_endpoints(self, rights: Rights) -> list[str]:
        endpoint = self.bus.client_endpoint(rights.on_bus())
        return [] if endpoint is None else [endpoint]

    def _make_doors(self, config: Config) -> list[WsgiServer]:
        doors: list[WsgiServer] = []
        if config.xmlrpc.address is not None:
            report = self.poller.faults.report
            hosts = config.xmlrpc.allowed_hosts
            doors.append(
                XmlRpcServer(self.servicer, *config.xmlrpc.address, report, allowed_hosts=hosts)
            )
        if config.http.address is not None:
            # Only now: it takes libraries that few others need.
            from zinfo.adapters.http.server import HttpDependencies, HttpServer  # noqa: PLC0415

            limits = replace(_limits(config), max_reply_bytes=_HTTP_REPLY_BYTES)
            dependencies = HttpDependencies(
                self._make_operations(config, limits),
                self.publisher,
                self.poller,
                self.identity,
                self.stats,
                self.poller.faults.report,
                _selection(config),
            )
            door = HttpServer(
                *config.http.address,
                dependencies,
                tokens=self._access.tokens,
                tls=server_context(config.http),
                allowed_hosts=config.http.allowed_hosts,
                proxies=tuple(map(ip_network, config.http.proxies)),
            )
            doors.append(door)
        return doors

    def _make_local(self, config: Config) -> LocalShardWatcher | None:
        local = config.local
        if not local.enabled:
            return None
        return LocalShardWatcher(
            self.publisher,
            interval=local.interval,
            labels=local.labels,
            trusted_users=local.trusted_users,
            shard_class=self._shard_class,
            username=local.username,
            password_file=local.password_file,
            password_env=local.password_env,
            ca_file=local.ca_file,
            cert_file=local.cert_file,
            key_file=local.key_file,
        )

    def start(self) -> None:
        """Start everything; returns at once."""
        fd_limits.raise_limit()
        self._restore_hub = handle_hub_errors(self.poller.faults)
        _relax_garbage_collector()
        if self._access.zap is not None:
            self._supervisor.spawn("ZAP", self._access.zap.run)
        self._supervisor.spawn("bus", self.bus.run_subscriptions)
        self._supervisor.spawn("heartbeat", self.bus.run_heartbeat)
        self._supervisor.spawn("query endpoint", self.router.run)
        saturation = Saturation(self.stats, self.poller.events)
        self._supervisor.spawn("saturation", saturation.run)
        self._supervisor.spawn("files", FileWatch(self.stats, self.poller.events).run)
        self._supervisor.spawn("memory", malloc_trim.keep_giving_back)
        for door in self.doors:
            self._supervisor.spawn(door.name, door.run)
        self._static.start()
        if self._local is not None:
            self._local.start()
        if self._manager.is_there:
            self._supervisor.spawn("service manager", self._manager.run)
        self._log_start()

    def run(self, reload: Callable[[], Config] | None = None) -> int:
        """Start, serve until a signal says to stop, close.

        Args:
            reload: returns the configuration read anew, at SIGHUP; None ignores that signal. Runs
                in a greenlet, never twice at a time: requests that come meanwhile make one more.

        Returns:
            Exit code: 0, or 1 where a part could not be kept alive.
        """
        handlers = [
            gevent.signal_handler(number, self._stopped.set)
            for number in (signal.SIGTERM, signal.SIGINT)
        ]
        reloads = None if reload is None else Reloads(partial(self._reload, reload))
        if reloads is not None:
            handlers.append(gevent.signal_handler(signal.SIGHUP, reloads.request))
        try:
            self.start()
            if reloads is not None:
                self._supervisor.spawn("configuration", reloads.run)
            self._stopped.wait()
        finally:
            self.stop()
            for handler in handlers:
                handler.cancel()
        if self._failed_part:
            logger.critical("stopped: %s cannot be kept alive", self._failed_part)
            return 1
        logger.info("stopped")
        return 0

    def stop(self) -> None:
        """Close everything in order: no new questions, no more polls, then the bus."""
        self._manager.stopping()
        for door in self.doors:
            door.stop()
        self._supervisor.stop()
        self.router.close()
        self.poller.stop()  # before the watchers: a daemon that stops does not say that shards went
        if self._local is not None:
            self._local.stop()
        self._static.stop()
        self.bus.close()
        self._access.close()
        # LINGER is 0, so this is quick; but it must not hang the exit whatever happens.
        term = gevent.get_hub().threadpool.spawn(self._context.term)
        if not term.wait(_TERM_SECONDS):
            logger.debug("ZeroMQ's context ended in time")
        if self._restore_hub is not None:
            self._restore_hub()

    def apply(self, config: Config) -> None:
        """Take over what a new configuration can change in a running daemon.

        Shards come and go, labels and intervals change; shards whose address and credentials stay
        keep their connections. What needs a restart is said in the log and left as it is.

        Other work has its turn in between. Where it fails on the way, the next call begins with
        what is live by then, and does the rest.
        """
        self._apply_access(config)
        later = [
            key
            for key in changed_keys(self._started_with, config)
            if not key.startswith(_LIVE_KEYS)
        ]
        if later:
            logger.warning("changed, but needs a restart: %s", ", ".join(later))
        for name, value in _tunables(config).items():
            setattr(self._shard_class, name, value)
        self._static.set_shards(map(_spec, config.shards))
        if config.local != self.config.local:
            if self._local is not None:
                self._local.stop()
            self._local = self._make_local(config)
            if self._local is not None:
                self._local.start()
        self.config = config
        logger.info("configuration read again: watching %s", _shards(len(self.publisher)))

    def _apply_access(self, config: Config | None) -> None:
        """Read keys and tokens again; None where rights stay as they were."""
        try:
            self._access.reload(config, self.bus)
        except EnvironmentNotReadyError as error:
            logger.critical("%s", error)
            self._give_up("bus")

    def _reload(self, reload: Callable[[], Config]) -> None:
        with self._manager.reloading():
            try:
                self.apply(self._read_config(reload))
            except ConfigError as error:
                self._manager.trouble(_NOT_TAKEN)
                for problem in error.problems:
                    logger.error("%s: %s", _NOT_TAKEN, problem)
            except Exception as error:
                self._manager.trouble(_NOT_TAKEN)
                self.poller.faults.report("configuration", error)
                logger.error(_NOT_TAKEN)

    def _read_config(self, reload: Callable[[], Config]) -> Config:
        try:
            return reload()
        except Exception as error:
            # A client whose key or token was removed is shut out whatever is wrong.
            try:
                self._apply_access(None)
            except ConfigError as more:
                before = error.problems if isinstance(error, ConfigError) else [str(error)]
                raise ConfigError([*before, *more.problems]) from error
            raise

    def _give_up(self, part: str) -> None:
        self._failed_part = part
        self._manager.trouble(f"{part} cannot be kept alive")
        self._stopped.set()

    def _log_start(self) -> None:
        doors = "".join(f", {door.name} at {door.endpoint}" for door in self.doors)
        logger.info(
            "zinfo %s (%s): queries at %s, bus at %s%s; watching %s%s",
            __version__,
            self.identity.node,
            self.router.endpoint,
            self.bus.endpoint,
            doors,
            _shards(len(self.publisher)),
            ", and looking for more on this machine" if self._local is not None else "",
        )


def _selection(config: Config) -> Selection:
    metrics = config.metrics
    return Selection(metrics.include, metrics.exclude, metrics.labels, metrics.max_samples)


def _limits(config: Config) -> QueryLimits:
    query = config.query
    return QueryLimits(
        max_request_bytes=query.max_request_bytes,
        max_reply_bytes=query.max_reply_bytes,
        min_refresh_interval=query.min_refresh_interval,
        refresh_timeout=config.poll.timeout + config.poll.connect_timeout,
    )


def _tunables(config: Config) -> dict[str, float]:
    return {name: getattr(config.poll, key) for key, name in _TUNABLES.items()}


def _spec(shard: ShardConfig) -> ShardSpec:
    options = ConnectionOptions(
        url=shard.url,
        username=shard.username,
        password=shard.password.get_secret_value() if shard.password else None,
        password_file=shard.password_file,
        password_env=shard.password_env,
        ca_file=shard.ca_file,
        cert_file=shard.cert_file,
        key_file=shard.key_file,
        check_hostname=shard.check_hostname,
        timeout=shard.timeout,
        connect_timeout=shard.connect_timeout,
    )
    tunables = {
        name: value for key, name in _TUNABLES.items() if (value := getattr(shard, key)) is not None
    }
    return ShardSpec(options, id=shard.id, labels=shard.labels, tunables=tunables)


def _shards(count: int) -> str:
    return "1 shard" if count == 1 else f"{count} shards"


def _relax_garbage_collector() -> None:
    """Have Python look for cycles among what is young, and hardly ever in everything.

    Millions of values live here and next to none of them is in a cycle, so they go without it; and
    a look at all of them takes tenths of a second, in which nothing is polled. What is young is
    looked at soon: while answers about all shards are made, much of it comes together, and after
    50,000 new values a look took 25 to 70 ms, where a turn of the event loop has 2.
    """
    gc.set_threshold(1_000, 2, 50_000)
