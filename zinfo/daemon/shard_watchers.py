"""The shard watchers that the configuration enables, and the polling intervals of their shards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from zinfo.config import Config, LocalConfig, ShardConfig
from zinfo.config.credentials import CREDENTIAL_KEYS
from zinfo.daemon.sources import make_credentials, make_sources
from zinfo.discovery.discovery import STATIC, Discovery
from zinfo.discovery.local.watcher import LocalShardWatcher
from zinfo.discovery.shard_spec import ShardSpec
from zinfo.discovery.stored_answers import StoredAnswers
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.shards.events import EventLog
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard
from zinfo.shards.source_status import SourceStatus
from zinfo.wire.slices import SliceSpec

LOCAL = "local"
"""Name of the scan of this machine among what `waiting_sources` returns."""

# Class attribute of RedisShard by configuration key, under `poll` and for each shard.
_INTERVAL_ATTRIBUTES = {
    "min_interval": "MIN_POLLING_INTERVAL",
    "max_interval": "MAX_POLLING_INTERVAL",
    "interval_step": "POLLING_INTERVAL_STEP",
    "ops_active": "OPS_ACTIVE_THRESH",
    "ops_inactive": "OPS_INACTIVE_THRESH",
}

RELOADABLE_KEYS = (
    "sources",
    "credentials",
    "guard.",
    "local.",
    *(f"poll.{key}" for key in _INTERVAL_ATTRIBUTES),
)
"""Prefixes of the configuration keys that `ShardWatchers.apply` can change, beside `shards`."""


class ShardWatchers:
    """The watchers of one daemon.

    Args:
        config: the whole configuration.
        publisher: the registry that shards are added to.
        events: takes the events of the sources.
        slice_spec: the slice of all shards that is polled, also after `apply`; None for all.

    Attributes:
        slice: this slice.
    """

    def __init__(
        self,
        config: Config,
        publisher: ShardPublisher,
        events: EventLog | None = None,
        slice_spec: SliceSpec | None = None,
    ) -> None:
        self._config = config
        self._publisher = publisher
        self.slice = slice_spec
        # A class of this daemon's own, so that its intervals do not affect other daemons' shards.
        self._shard_class: type[RedisShard] = type("RedisShard", (RedisShard,), _intervals(config))
        credentials = make_credentials(config)
        self._discovery = Discovery(
            publisher,
            make_sources(config, credentials, slice_spec),
            shards=map(_spec, config.shards),
            credentials=credentials,
            slice_spec=slice_spec,
            events=events,
            stored=StoredAnswers(Path(config.state_dir)) if config.state_dir else None,
            shard_class=self._shard_class,
        )
        self._local = self._make_local(config)
        self._started = False

    # --- SourceDirectory

    def source_statuses(self) -> Sequence[SourceStatus]:
        """Return the state of each source, in the order of the configuration."""
        return self._discovery.source_statuses()

    def accept_source(self, name: str) -> int:
        """Follow the last answer of a source at once; see `Discovery.accept_source`."""
        return self._discovery.accept_source(name)

    def waiting_sources(self) -> Sequence[str]:
        """Return the names of the sources that have neither answered nor a stored answer.

        At the start these are also the list of shards and the scan of this machine.
        """
        waiting = list(self._discovery.waiting_sources())
        if self._started:
            return waiting
        return [STATIC, *([LOCAL] if self.scans_local else []), *waiting]

    # ---

    @property
    def scans_local(self) -> bool:
        """Whether servers on this machine are discovered."""
        return self._local is not None

    def start(self) -> None:
        """Start the watchers; returns at once."""
        self._discovery.start()
        if self._local is not None:
            self._local.start()
        self._started = True

    def stop(self) -> None:
        """Stop the watchers."""
        if self._local is not None:
            self._local.stop()
        self._discovery.stop()

    def apply(self, config: Config) -> None:
        """Add, remove and change shards as a new configuration says; yields to the event loop.

        If this fails half-way, the next call starts from the shards that are live then.
        """
        for name, value in _intervals(config).items():
            setattr(self._shard_class, name, value)
        credentials = make_credentials(config)
        self._discovery.configure(
            make_sources(config, credentials, self.slice),
            shards=map(_spec, config.shards),
            credentials=credentials,
        )
        if config.local != self._config.local:
            if self._local is not None:
                self._local.stop()
            self._local = self._make_local(config)
            if self._local is not None:
                self._local.start()
        self._config = config

    def _make_local(self, config: Config) -> LocalShardWatcher | None:
        local = config.local
        if not local.enabled:
            return None
        return LocalShardWatcher(
            self._publisher,
            interval=local.interval,
            labels=local.labels,
            trusted_users=local.trusted_users,
            shard_class=self._shard_class,
            **_credentials(local),
        )


def _intervals(config: Config) -> dict[str, float]:
    return {name: getattr(config.poll, key) for key, name in _INTERVAL_ATTRIBUTES.items()}


def _credentials(section: LocalConfig | ShardConfig) -> dict[str, Any]:
    """Return the credentials and TLS options, by their names in `ConnectionOptions`."""
    return {key: getattr(section, key) for key in CREDENTIAL_KEYS}


def _spec(shard: ShardConfig) -> ShardSpec:
    options = ConnectionOptions(
        url=shard.url,
        password=shard.password.get_secret_value() if shard.password else None,
        **_credentials(shard),
        timeout=shard.timeout,
        connect_timeout=shard.connect_timeout,
        info=shard.info,
    )
    tunables = {
        name: value
        for key, name in _INTERVAL_ATTRIBUTES.items()
        if (value := getattr(shard, key)) is not None
    }
    return ShardSpec(options, id=shard.id, labels=shard.labels, tunables=tunables)
