"""The sources of shards that the configuration names, with their credentials and guards. No I/O.

The class of a source is imported only if the configuration has a source of its type, because some
need libraries that take long to import.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zinfo.config import Config
from zinfo.config.credentials import CREDENTIAL_KEYS
from zinfo.config.source_models import (
    ClusterSourceConfig,
    DnsSourceConfig,
    FileSourceConfig,
    HttpSourceConfig,
    Login,
    SentinelSourceConfig,
    SourceConfig,
)
from zinfo.discovery.credentials import CredentialSet, NamedCredentials
from zinfo.discovery.guard import Guard
from zinfo.discovery.host_patterns import HostPatterns
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.source import Source
from zinfo.discovery.source_entry import SourceEntry
from zinfo.errors import ConfigError
from zinfo.wire.redact import redact_text
from zinfo.wire.slices import SliceSpec

_ANY_HOST = ("*",)


def make_credentials(config: Config) -> CredentialSet:
    """Return all named credentials, and those from the URLs of the command line."""
    return CredentialSet(
        {
            **{
                name: NamedCredentials(
                    HostPatterns(table.hosts),
                    {key: getattr(table, key) for key in CREDENTIAL_KEYS},
                )
                for name, table in config.credentials.items()
            },
            **{
                _own_login(table): NamedCredentials(HostPatterns(_ANY_HOST), _options(table.login))
                for table in config.sources
                if table.login
            },
        }
    )


def make_sources(
    config: Config,
    credentials: CredentialSet | None = None,
    slice_spec: SliceSpec | None = None,
) -> tuple[SourceEntry, ...]:
    """Return the `[[sources]]`, in their order.

    Args:
        config: the configuration.
        credentials: what `make_credentials` returns for it; None to make it.
        slice_spec: the slice of all shards that they are to list; None for all.

    Raises:
        ConfigError: a source cannot be made of its keys, although each has a possible value.
    """
    if credentials is None:
        credentials = make_credentials(config)
    return tuple(
        SourceEntry(
            _make(table, make_rules(table, config, credentials, slice_spec), credentials),
            make_guard(table, config),
            (table, config.credentials),
        )
        for table in config.sources
    )


def make_guard(table: SourceConfig, config: Config) -> Guard:
    """Return the limits of a source: its own keys, and those of `[guard]` for the rest."""
    own = {key: getattr(table, key) for key in Guard._fields}
    own = {key: value for key, value in own.items() if value is not None}
    return Guard(**{**{key: getattr(config.guard, key) for key in Guard._fields}, **own})


def make_rules(
    table: SourceConfig,
    config: Config,
    credentials: CredentialSet,
    slice_spec: SliceSpec | None = None,
) -> TargetRules:
    """Return the rules of a source.

    Its targets can name every table of `[credentials]`, but of the credentials on the command line
    only those of this source: another source must not be able to have them sent to its hosts.
    """
    login = _own_login(table)
    known = {*config.credentials, login}
    return TargetRules(
        source=table.name,
        labels=table.labels,
        id_template=table.id,
        keep=table.keep,
        drop=table.drop,
        credentials=table.credentials or login,
        credential_hosts={
            name: hosts for name, hosts in credentials.hosts.items() if name in known
        },
        slice=slice_spec,
    )


def _own_login(table: SourceConfig) -> str:
    """Return the name of a source's credentials from the command line; "" if it has none.

    No `[credentials.NAME]` table can have this name, as theirs do not begin with a `-`.
    """
    return f"--{table.name}" if table.login else ""


def _options(login: Login) -> Mapping[str, Any]:
    password = None if login.password is None else login.password.get_secret_value()
    return {"username": login.username, "password": password}


def _make(table: SourceConfig, rules: TargetRules, credentials: CredentialSet) -> Source:
    try:
        match table:
            case FileSourceConfig():
                return _file(table, rules)
            case HttpSourceConfig():
                return _http(table, rules)
            case ClusterSourceConfig():
                return _cluster(table, rules, credentials)
            case SentinelSourceConfig():
                return _sentinel(table, rules, credentials)
            case DnsSourceConfig():
                return _dns(table, rules)
    except ValueError as error:
        raise ConfigError([f"source {table.name}: {redact_text(str(error))}"]) from error


def _file(table: FileSourceConfig, rules: TargetRules) -> Source:
    from zinfo.discovery.sources.file import FileSource

    return FileSource(table.name, table.files, rules, scheme=table.scheme, interval=table.interval)


def _http(table: HttpSourceConfig, rules: TargetRules) -> Source:
    from zinfo.discovery.sources.http import HttpSource

    return HttpSource(
        table.name,
        table.url,
        rules,
        scheme=table.scheme,
        refresh=table.refresh,
        token_file=table.token_file,
        username=table.username,
        password_file=table.password_file,
        ca_file=table.ca_file,
        cert_file=table.cert_file,
        key_file=table.key_file,
        timeout=table.timeout,
    )


def _cluster(table: ClusterSourceConfig, rules: TargetRules, credentials: CredentialSet) -> Source:
    from zinfo.discovery.sources.cluster import ClusterSource

    return ClusterSource(
        table.name,
        table.seeds,
        rules,
        credentials,
        address=table.address,
        interval=table.interval,
    )


def _sentinel(
    table: SentinelSourceConfig, rules: TargetRules, credentials: CredentialSet
) -> Source:
    from zinfo.discovery.sources.sentinel import SentinelSource

    return SentinelSource(
        table.name,
        table.sentinels,
        rules,
        credentials,
        scheme=table.scheme,
        masters=table.masters,
        sentinel_credentials=table.sentinel_credentials or _own_login(table),
        watch_sentinels=table.watch_sentinels,
        interval=table.interval,
    )


def _dns(table: DnsSourceConfig, rules: TargetRules) -> Source:
    from zinfo.discovery.sources.dns import DnsSource

    return DnsSource(
        table.name,
        table.names,
        rules,
        port=table.port,
        scheme=table.scheme,
        interval=table.interval,
    )
