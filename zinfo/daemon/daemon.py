"""The daemon: creates all parts, starts and stops them in order, handles signals."""

from __future__ import annotations

import gc
import logging
import os
import signal
from collections.abc import Callable
from functools import partial

import gevent
import gevent.event
import zmq.green

from zinfo._version import __version__
from zinfo.bus.publisher import InfoBus
from zinfo.config import Config, changed_keys
from zinfo.config.models import HistoryConfig
from zinfo.config.slices import slice_of
from zinfo.daemon import malloc_trim
from zinfo.daemon.access_control import AccessControl
from zinfo.daemon.reload import Reloader
from zinfo.daemon.sd_notify import Notifier
from zinfo.daemon.server_adapters import make_server_adapters
from zinfo.daemon.shard_watchers import RELOADABLE_KEYS, ShardWatchers
from zinfo.daemon.systemd import ServiceManager
from zinfo.errors import ConfigError, EnvironmentNotReadyError
from zinfo.health import fd_limits
from zinfo.health.fd_limits import FileWatch
from zinfo.health.internal_errors import handle_hub_errors
from zinfo.health.saturation import Saturation
from zinfo.health.stats import Stats
from zinfo.history.history import History
from zinfo.loop.supervisor import Supervisor
from zinfo.loop.urgent_work import UrgentWork
from zinfo.poll.limits import PollLimits
from zinfo.poll.poller import InfoPoller
from zinfo.query.call import QueryLimits
from zinfo.query.operations import Operations
from zinfo.query.router import QueryRouter
from zinfo.query.servicer import InfoProviderServicer
from zinfo.security.rights import Rights
from zinfo.shards.events import EventLog
from zinfo.shards.registry import ShardPublisher
from zinfo.wire.identity import Identity, default_node

logger = logging.getLogger(__name__)

_TERM_TIMEOUT = 1.0  # seconds for ZeroMQ's context to terminate
_REJECTED = "configuration not taken"
_RELOADABLE_KEYS = (
    *RELOADABLE_KEYS,
    "poll.info",
    "clients",
    "bus.endpoints",
)  # other keys need a restart


class Daemon:
    """One zinfo daemon; the constructor binds its addresses.

    Args:
        config: the whole configuration.

    Raises:
        ConfigError: a file of keys, tokens or certificates is not valid, or the configuration
            leaves the number of the slice to a host name that has none.
        EnvironmentNotReadyError: an address cannot be bound, or the process was not monkey-patched.
    """

    def __init__(self, config: Config) -> None:
        self.config = self._started_with = config
        slice_spec = slice_of(config.slice)
        self.stats = Stats()
        self.publisher = ShardPublisher()
        self.identity = Identity(node=config.node or default_node())
        notifier = Notifier.from_environment(os.environ)
        self._service_manager = ServiceManager(notifier, self.publisher)
        self._stopped = gevent.event.Event()
        self._failed_part = ""
        self._context = zmq.green.Context()
        self._access = AccessControl(config, self._context, self.stats)
        poll, urgent = config.poll, UrgentWork()
        self.poller = InfoPoller(
            self.publisher,
            poll.log_after_failures,
            limits=PollLimits(
                poll.timeout,
                poll.connect_timeout,
                poll.max_reply_bytes,
                poll.max_fields,
                poll.info,
            ),
            max_connecting=poll.max_connecting,
            jitter=poll.jitter,
            max_backoff=poll.max_backoff,
            resolve_every=poll.resolve_every,
            events=EventLog(config.query.events_kept),
            stats=self.stats,
            urgent=urgent,
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
        self._watchers = ShardWatchers(config, self.publisher, self.poller.events, slice_spec)
        limits = _query_limits(config)
        operations = Operations(
            self.servicer,
            self.poller,
            stats=self.stats,
            identity=self.identity,
            limits=limits,
            sources=self._watchers,
            bus_endpoints=self._bus_endpoints,
            heartbeat=config.bus.heartbeat,
            history=self._make_history(config.history),
        )
        self.router = QueryRouter(
            self._context,
            config.query.endpoint,
            operations,
            stats=self.stats,
            identity=self.identity,
            limits=limits,
            access=self._access.keys,
        )
        urgent.run = self.router.serve_waiting
        self.bus.query_endpoint = self.router.client_endpoint
        self.server_adapters = make_server_adapters(
            config,
            self.servicer,
            operations,
            self.poller,
            identity=self.identity,
            stats=self.stats,
            tokens=self._access.tokens,
        )
        self._supervisor = Supervisor(
            self.stats.count_restart, self._give_up, self.poller.faults.record_crash
        )
        self._restore_hub: Callable[[], None] | None = None

    def _make_history(self, config: HistoryConfig) -> History | None:
        if not config.enabled:
            return None
        return History(self.publisher, self.poller, config.points, config.step)

    def _bus_endpoints(self, rights: Rights) -> list[str]:
        endpoint = self.bus.client_endpoint(rights.on_bus())
        return [] if endpoint is None else [endpoint]

    def start(self) -> None:
        """Start all parts; returns at once."""
        fd_limits.raise_limit()
        self._restore_hub = handle_hub_errors(self.poller.faults)
        _configure_garbage_collector()
        if self._access.zap is not None:
            self._supervisor.spawn("ZAP", self._access.zap.run)
        self._supervisor.spawn("bus", self.bus.run_subscriptions)
        self._supervisor.spawn("heartbeat", self.bus.run_heartbeat)
        self._supervisor.spawn("query endpoint", self.router.run)
        saturation = Saturation(self.stats, self.poller.events)
        self._supervisor.spawn("saturation", saturation.run)
        self._supervisor.spawn("files", FileWatch(self.stats, self.poller.events).run)
        self._supervisor.spawn("memory", malloc_trim.trim_periodically)
        for server in self.server_adapters:
            self._supervisor.spawn(server.name, server.run)
        self._watchers.start()
        if self._service_manager.enabled:
            self._supervisor.spawn("service manager", self._service_manager.run)
        self._log_start()

    def run(self, reload: Callable[[], Config] | None = None) -> int:
        """Start, run until SIGTERM or SIGINT, and stop.

        Args:
            reload: reads and returns the configuration, at SIGHUP; None ignores that signal. Runs
                in a greenlet, once at a time: signals during a reload trigger one more.

        Returns:
            Exit code: 0, or 1 if a part has failed repeatedly.
        """
        handlers = [
            gevent.signal_handler(number, self._stopped.set)
            for number in (signal.SIGTERM, signal.SIGINT)
        ]
        reloader = None if reload is None else Reloader(partial(self._reload, reload))
        if reloader is not None:
            handlers.append(gevent.signal_handler(signal.SIGHUP, reloader.request))
        try:
            self.start()
            if reloader is not None:
                self._supervisor.spawn("configuration", reloader.run)
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
        """Stop all parts in order: servers, polls, watchers, then the bus."""
        self._service_manager.stopping()
        for server in self.server_adapters:
            server.stop()
        self._supervisor.stop()
        self.router.close()
        self.poller.stop()  # before the watchers, or the bus would publish shards as removed
        self._watchers.stop()
        self.bus.close()
        self._access.close()
        # Quick, as LINGER is 0; the timeout makes sure that the process exits in any case.
        gevent.get_hub().threadpool.spawn(self._context.term).wait(_TERM_TIMEOUT)
        if self._restore_hub is not None:
            self._restore_hub()

    # --- reload

    def apply(self, config: Config) -> None:
        """Apply what a new configuration changes and a running daemon can take over.

        Shards, labels, intervals, sections of INFO, clients' keys and rights change. Shards with
        the same address and sections keep their connections. The log names each
        changed key that needs a restart. Yields to the event loop. If it fails half-way, the next
        call starts from the state then.
        """
        self._apply_access(config)
        changed = changed_keys(self._started_with, config)
        ignored = [key for key in changed if not key.startswith(_RELOADABLE_KEYS)]
        if ignored:
            logger.warning("changed, but needs a restart: %s", ", ".join(ignored))
        self.poller.set_sections(config.poll.info)
        self._watchers.apply(config)
        self.config = config
        logger.info("configuration read again: watching %s", _shards(len(self.publisher)))

    def _apply_access(self, config: Config | None) -> None:
        """Read keys and tokens again; None keeps the rights."""
        try:
            self._access.reload(config, self.bus)
        except EnvironmentNotReadyError as error:
            logger.critical("%s", error)
            self._give_up("bus")

    def _reload(self, reload: Callable[[], Config]) -> None:
        with self._service_manager.reloading():
            try:
                self.apply(self._read_config(reload))
            except ConfigError as error:
                self._service_manager.set_problem(_REJECTED)
                for problem in error.problems:
                    logger.error("%s: %s", _REJECTED, problem)
            except Exception as error:
                self._service_manager.set_problem(_REJECTED)
                self.poller.faults.report("configuration", error)
                logger.error(_REJECTED)

    def _read_config(self, reload: Callable[[], Config]) -> Config:
        try:
            return reload()
        except Exception as error:
            # A client whose key or token was deleted loses its access even if the file is invalid.
            try:
                self._apply_access(None)
            except ConfigError as more:
                before = error.problems if isinstance(error, ConfigError) else [str(error)]
                raise ConfigError([*before, *more.problems]) from error
            raise

    def _give_up(self, part: str) -> None:
        self._failed_part = part
        self._service_manager.set_problem(f"{part} cannot be kept alive")
        self._stopped.set()

    def _log_start(self) -> None:
        servers = "".join(f", {one.name} at {one.endpoint}" for one in self.server_adapters)
        logger.info(
            "zinfo %s (%s): queries at %s, bus at %s%s; watching %s%s%s%s",
            __version__,
            self.identity.node,
            self.router.endpoint,
            self.bus.endpoint,
            servers,
            _shards(len(self.publisher)),
            _sources(len(self.config.sources)),
            ", and looking for more on this machine" if self._watchers.scans_local else "",
            f"; {self._watchers.slice}" if self._watchers.slice else "",
        )


def _query_limits(config: Config) -> QueryLimits:
    query = config.query
    return QueryLimits(
        max_request_bytes=query.max_request_bytes,
        max_reply_bytes=query.max_reply_bytes,
        min_refresh_interval=query.min_refresh_interval,
        refresh_timeout=config.poll.timeout + config.poll.connect_timeout,
    )


def _shards(count: int) -> str:
    return "1 shard" if count == 1 else f"{count} shards"


def _sources(count: int) -> str:
    if not count:
        return ""
    return f", and those that {count} source{'' if count == 1 else 's'} will list"


def _configure_garbage_collector() -> None:
    """Collect the youngest generation often and the oldest one hardly ever.

    The process holds millions of objects, and next to none is part of a reference cycle. A full
    collection takes tenths of a second, in which nothing is polled. The threshold of the youngest
    generation is low so that each collection is short even while long replies are built: after
    50,000 new objects, one takes 25 to 70 ms, and a loop iteration should take 2 ms.
    """
    gc.set_threshold(1_000, 2, 50_000)
