"""Who is let in where: keys, tokens and rights, wired to ZAP and to the sockets of the bus.

At a reload keys and tokens are read whatever else is wrong: what was taken away is gone at once.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeAlias

from zinfo.bus.publisher import InfoBus
from zinfo.config import Config
from zinfo.errors import ConfigError
from zinfo.health.stats import Stats
from zinfo.security.access import Access, lost_on_bus
from zinfo.security.bus_endpoints import Place, PlaceError, place_sets
from zinfo.security.bus_rights import BusRights
from zinfo.security.rights import Rights
from zinfo.security.tokens import Tokens
from zinfo.security.zap import LockedOutError, ZapHandler
from zinfo.sockets.listen import GreenContext

logger = logging.getLogger(__name__)

_Reload: TypeAlias = "Callable[[Mapping[str, Rights] | None], None]"

_LOCK_OUT_SECONDS = 10.0  # a key that subscribed too much comes to no socket of the bus


class Admission:
    """The clients of one daemon.

    Args:
        config: the whole configuration.
        context: green context of the sockets; none of them is made yet.
        stats: takes the counters.

    Raises:
        ConfigError: a file of keys or tokens cannot be used.
        EnvironmentNotReadyError: the context has a ZAP handler already.

    Attributes:
        access: clients by key; None where all are served.
        tokens: clients over HTTP; None where all are served.
        zap: answers ZeroMQ; None where all are served. Its `run` is to be run in a greenlet.
    """

    def __init__(self, config: Config, context: GreenContext, stats: Stats) -> None:
        self.access = _access(config)
        self.tokens = _tokens(config)
        self.zap: ZapHandler | None = None
        self._config = config
        self._stats = stats
        self._locked_out: dict[str, float] = {}  # until when, by the monotonic clock
        self._places = self._place(config, ())
        if self.access is not None:
            access = self.access
            self.zap = ZapHandler(
                context, lambda key: access.rights_of(key) is not None, stats.access
            )

    def close(self) -> None:
        """Let nobody in any more."""
        if self.zap is not None:
            self.zap.close()

    # --- for the bus

    @property
    def gatekeeper(self) -> Admission | None:
        """What the bus asks about keys; None where all are served."""
        return None if self.access is None else self

    @property
    def secret_key(self) -> bytes:
        """The daemon's secret key, in Z85."""
        assert self.access is not None
        return self.access.server_keys.secret

    def guard(self, domain: bytes, rights: BusRights) -> None:
        """Let keys of these rights in to the sockets of a ZAP domain."""
        assert self.zap is not None
        self.zap.guard(domain, lambda key: self._is_let_in(key, rights))

    def unguard(self, domain: bytes) -> None:
        """Let nobody in to the sockets of a ZAP domain any more."""
        assert self.zap is not None
        self.zap.unguard(domain)

    def name_of(self, key: str | None) -> str:
        """Return the name of the client with a key; "" where it is not known."""
        rights = self.access.rights_of(key) if self.access is not None else None
        return rights.name if rights else ""

    def lock_out(self, key: str) -> None:
        """Let a key in to no socket of the bus for a while."""
        now = time.monotonic()
        self._locked_out = {one: until for one, until in self._locked_out.items() if until > now}
        self._locked_out[key] = now + _LOCK_OUT_SECONDS

    def places(self) -> list[Place]:
        """Return the places of the limited sets of rights that somebody has a key for."""
        used = {rights.on_bus() for rights in self._rights_by_key().values()}
        return [place for place in self._places if place.rights in used]

    def _is_let_in(self, key: str, wanted: BusRights) -> bool:
        assert self.access is not None
        rights = self.access.rights_of(key)
        if rights is None or rights.on_bus() != wanted:
            return False
        if self._locked_out.get(key, 0.0) > time.monotonic():
            raise LockedOutError(f"client {rights.name} subscribed too much, for a while")
        return True

    def _rights_by_key(self) -> dict[str, Rights]:
        return self.access.rights_by_key() if self.access is not None else {}

    def _place(self, config: Config, before: Collection[Place]) -> list[Place]:
        if self.access is None:
            return []
        clients = {name: rights.on_bus() for name, rights in rights_of(config).items()}
        try:
            return place_sets(config.bus.endpoint, config.bus.endpoints, clients, list(before))
        except PlaceError as error:
            raise ConfigError([f"bus.endpoints: {error}"]) from None

    # --- reload

    def reload(self, config: Config | None, bus: InfoBus) -> None:
        """Read keys and tokens again, and see to it that nobody keeps what was taken away.

        Args:
            config: the new configuration; None where that cannot be used, and rights stay as they
                were.
            bus: whose sockets are arranged.

        Raises:
            ConfigError: a file is broken; nobody is let in any more by what was in it. Or a set of
                rights has no endpoint; its clients have no bus.
            EnvironmentNotReadyError: the bus cannot be bound again.
        """
        rights = None if config is None else rights_of(config)
        problems: list[str] = []
        if self.tokens is not None:
            problems += _problems(self.tokens.reload, rights)
        if self.access is not None:
            problems += self._reload_keys(self.access, config, rights, bus)
        if problems:
            raise ConfigError(problems)

    def _reload_keys(
        self,
        access: Access,
        config: Config | None,
        rights: Mapping[str, Rights] | None,
        bus: InfoBus,
    ) -> list[str]:
        before = access.rights_by_key()
        problems = _problems(access.reload, rights)
        if config is not None:
            try:
                self._places = self._place(config, self._places)
            except ConfigError as error:
                problems += error.problems
        disturbed = lost_on_bus(before, access.rights_by_key())
        problems += bus.arrange(self.places(), disturbed)
        logger.info("keys read again: %d clients are let in", len(access))
        return problems


def rights_of(config: Config) -> dict[str, Rights]:
    """Return what the clients of a configuration may, by name."""
    return {
        name: Rights(
            name,
            shards=client.shards,
            operations=None if client.operations is None else frozenset(client.operations),
            hidden_fields=client.hidden_fields,
        )
        for name, client in config.clients.items()
    }


def _problems(reload: _Reload, rights: Mapping[str, Rights] | None) -> list[str]:
    try:
        reload(rights)
    except ConfigError as error:
        return list(error.problems)
    return []


def _access(config: Config) -> Access | None:
    security = config.security
    if security.server_key is None or security.client_keys is None:
        return None
    return Access(
        Path(security.server_key),
        Path(security.client_keys),
        rights_of(config),
        all_have_keys=not config.http.knows_clients,
    )


def _tokens(config: Config) -> Tokens | None:
    http = config.http
    if http.address is None or not http.knows_clients:
        return None
    return Tokens(Path(http.token_file) if http.token_file else None, rights_of(config))
