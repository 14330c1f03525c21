"""Access control: connects keys, tokens and rights to ZAP and to the sockets of the bus.

At a reload, keys and tokens are read even if the configuration has errors, so that revoked access
ends in any case.
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
from zinfo.security.authorized_keys import AuthorizedKeys, rights_lost_on_bus
from zinfo.security.bus_endpoints import BusEndpoint, BusEndpointError, assign_endpoints
from zinfo.security.bus_rights import BusRights
from zinfo.security.rights import Rights
from zinfo.security.tokens import Tokens
from zinfo.security.zap import TemporarilyBannedError, ZapHandler
from zinfo.sockets.listen import GreenContext

logger = logging.getLogger(__name__)

_Reload: TypeAlias = "Callable[[Mapping[str, Rights] | None], None]"

_BAN_SECONDS = 10.0  # for which the bus refuses the key of a client that subscribed too much


class AccessControl:
    """The clients of one daemon. Implements `BusAccess` for the bus.

    Args:
        config: the whole configuration.
        context: green context of the daemon's sockets; none of them exists yet.
        stats: the counters to update.

    Raises:
        ConfigError: a file of keys or tokens is not valid.
        EnvironmentNotReadyError: the context already has a ZAP handler.

    Attributes:
        keys: clients by CURVE key; None if clients need no key.
        tokens: clients of the HTTP server; None if it admits every client.
        zap: the ZAP handler, whose `run` needs a greenlet; None if clients need no key.
    """

    def __init__(self, config: Config, context: GreenContext, stats: Stats) -> None:
        self.keys = _authorized_keys(config)
        self.tokens = _tokens(config)
        self.zap: ZapHandler | None = None
        self._banned_until: dict[str, float] = {}  # monotonic time by key
        self._endpoints = self._assign_endpoints(config, ())
        if self.keys is not None:
            keys = self.keys
            self.zap = ZapHandler(
                context, lambda key: keys.rights_of(key) is not None, stats.access
            )

    def close(self) -> None:
        """Admit no client any more."""
        if self.zap is not None:
            self.zap.close()

    # --- for the bus

    @property
    def for_bus(self) -> AccessControl | None:
        """The access control of the bus; None if clients need no key."""
        return None if self.keys is None else self

    @property
    def secret_key(self) -> bytes:
        """The daemon's secret key, in Z85."""
        assert self.keys is not None
        return self.keys.server_keys.secret

    def admit(self, domain: bytes, rights: BusRights) -> None:
        """Admit the keys of clients with these rights to the sockets of a ZAP domain."""
        assert self.zap is not None
        self.zap.add_rule(domain, lambda key: self._is_admitted(key, rights))

    def revoke(self, domain: bytes) -> None:
        """Admit no key to the sockets of a ZAP domain any more."""
        assert self.zap is not None
        self.zap.remove_rule(domain)

    def client_name(self, key: str | None) -> str:
        """Return the name of the client with a public key; "" if the key is not known."""
        rights = self.keys.rights_of(key) if self.keys is not None else None
        return rights.name if rights else ""

    def ban(self, key: str) -> None:
        """Refuse a key on all sockets of the bus for some seconds."""
        now = time.monotonic()
        self._banned_until = {one: end for one, end in self._banned_until.items() if end > now}
        self._banned_until[key] = now + _BAN_SECONDS

    def bus_endpoints(self) -> list[BusEndpoint]:
        """Return the endpoints of those limited sets of rights for which a client has a key."""
        keys = {} if self.keys is None else self.keys.rights_by_key()
        used = {rights.on_bus() for rights in keys.values()}
        return [endpoint for endpoint in self._endpoints if endpoint.rights in used]

    def _is_admitted(self, key: str, required: BusRights) -> bool:
        assert self.keys is not None
        rights = self.keys.rights_of(key)
        if rights is None or rights.on_bus() != required:
            return False
        if self._banned_until.get(key, 0.0) > time.monotonic():
            raise TemporarilyBannedError(
                f"client {rights.name} is banned for some seconds: it subscribed too many topics"
            )
        return True

    def _assign_endpoints(
        self, config: Config, before: Collection[BusEndpoint]
    ) -> list[BusEndpoint]:
        if self.keys is None:
            return []
        clients = {name: rights.on_bus() for name, rights in configured_rights(config).items()}
        try:
            return assign_endpoints(
                config.bus.endpoint, config.bus.endpoints, clients, list(before)
            )
        except BusEndpointError as error:
            raise ConfigError([f"bus.endpoints: {error}"]) from None

    # --- reload

    def reload(self, config: Config | None, bus: InfoBus) -> None:
        """Read keys and tokens again, and close the connections of clients that lost rights.

        Args:
            config: the new configuration; None if it is not valid: then rights stay as they are.
            bus: whose sockets are updated.

        Raises:
            ConfigError: a file is not valid, and none of its clients is admitted any more; or a set
                of rights has no endpoint, and its clients cannot use the bus.
            EnvironmentNotReadyError: the address of the bus could not be bound again.
        """
        rights = None if config is None else configured_rights(config)
        problems: list[str] = []
        if self.tokens is not None:
            problems += _problems(self.tokens.reload, rights)
        if self.keys is not None:
            problems += self._reload_keys(self.keys, config, rights, bus)
        if problems:
            raise ConfigError(problems)

    def _reload_keys(
        self,
        keys: AuthorizedKeys,
        config: Config | None,
        rights: Mapping[str, Rights] | None,
        bus: InfoBus,
    ) -> list[str]:
        before = keys.rights_by_key()
        problems = _problems(keys.reload, rights)
        if config is not None:
            try:
                self._endpoints = self._assign_endpoints(config, self._endpoints)
            except ConfigError as error:
                problems += error.problems
        reset = rights_lost_on_bus(before, keys.rights_by_key())
        problems += bus.update_endpoints(self.bus_endpoints(), reset)
        logger.info("read the clients' keys again: %d clients", len(keys))
        return problems


def configured_rights(config: Config) -> dict[str, Rights]:
    """Return the rights of each client in a configuration, by name."""
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


def _authorized_keys(config: Config) -> AuthorizedKeys | None:
    security = config.security
    if security.server_key is None or security.client_keys is None:
        return None
    return AuthorizedKeys(
        Path(security.server_key),
        Path(security.client_keys),
        configured_rights(config),
        all_have_keys=not config.http.knows_clients,
    )


def _tokens(config: Config) -> Tokens | None:
    http = config.http
    if http.address is None or not http.knows_clients:
        return None
    return Tokens(Path(http.token_file) if http.token_file else None, configured_rights(config))
