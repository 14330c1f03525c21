"""ShardCredentials: the named credentials of shards that sources list, each with its hosts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from zinfo.discovery.host_patterns import HostPatterns
from zinfo.shards.connection_options import ConnectionOptions
from zinfo.wire.addresses import parse_shard_url


class CredentialsError(Exception):
    """Credentials may not be sent to a host, or do not exist; the text says which."""


@dataclass(frozen=True, slots=True)
class NamedCredentials:
    """A `[credentials.NAME]` table.

    Attributes:
        hosts: the only hosts that receive them.
        options: keyword arguments of `ConnectionOptions`: username, password_file, ca_file, ...
    """

    hosts: HostPatterns
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)


class CredentialSet:
    """All named credentials of a daemon.

    Args:
        tables: the credentials by name.
    """

    def __init__(self, tables: Mapping[str, NamedCredentials] | None = None) -> None:
        self._tables = dict(tables or {})

    @property
    def hosts(self) -> Mapping[str, HostPatterns]:
        """The hosts that may receive each, by name; for `TargetRules`."""
        return {name: table.hosts for name, table in self._tables.items()}

    def options_for(self, url: str, name: str = "", **more: Any) -> ConnectionOptions:
        """Return the options of a connection, with credentials if they are named.

        Args:
            url: the shard's URL.
            name: name of the credentials; "" for none.
            **more: further keyword arguments of `ConnectionOptions`.

        Raises:
            CredentialsError: there are none with this name, or the host may not receive them.
            ValueError: the URL cannot be used.
        """
        if not name:
            return ConnectionOptions(url=url, **more)
        table = self._tables.get(name)
        if table is None:
            raise CredentialsError(f"there are no credentials named {name}")
        address = parse_shard_url(url)
        host = address.path or address.host
        if not table.hosts.matches(host):
            raise CredentialsError(f"the credentials {name} may not be sent to {host}")
        return ConnectionOptions(url=url, **{**table.options, **more})
