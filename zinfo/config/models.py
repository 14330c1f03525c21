"""The sections and keys of the configuration: their types, defaults and conflicts within a section.

`conflicts` has the rules between sections.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

from pydantic import Field, PrivateAttr, model_validator

import zinfo.config.types as kinds
from zinfo.config.conflicts import conflicts_between
from zinfo.config.credentials import Credentials, CredentialsTables
from zinfo.config.section import Conflict, Section
from zinfo.config.slices import SliceConfig
from zinfo.config.source_models import GuardConfig, SourceTable
from zinfo.history.grid import MAX_POINTS, MIN_POINTS
from zinfo.info.section_choice import EVERYTHING
from zinfo.wire.addresses import parse_listen, parse_shard_url

SHARD_TUNABLES = (
    "min_interval",
    "max_interval",
    "interval_step",
    "ops_active",
    "ops_inactive",
    "timeout",
    "connect_timeout",
    "info",
)
"""Keys of `[poll]` that a shard may set for itself."""


class ShardConfig(Credentials):
    """One `[[shards]]` table.

    User and password in the URL are moved to `username` and `password`; `id` is always set.
    """

    url: kinds.ShardUrl
    id: kinds.Name = ""
    labels: kinds.Labels = Field(default_factory=dict)
    password: kinds.Secret | None = None
    min_interval: kinds.Seconds | None = None
    max_interval: kinds.Seconds | None = None
    interval_step: kinds.NonNegativeSeconds | None = None
    ops_active: kinds.OpsRate | None = None
    ops_inactive: kinds.OpsRate | None = None
    timeout: kinds.Seconds | None = None
    connect_timeout: kinds.Seconds | None = None
    info: kinds.Sections | None = None

    @model_validator(mode="before")
    @classmethod
    def _take_url_apart(cls, data: object) -> object:
        if not isinstance(data, Mapping) or not isinstance(url := data.get("url"), str):
            return data
        try:
            address = parse_shard_url(url)
        except ValueError:
            return data  # the validation of `url` reports it
        inside = {"username": address.username, "password": address.password}
        inside = {key: value for key, value in inside.items() if value is not None}
        for key in inside:
            if data.get(key) is not None:
                raise ValueError(f"found a {key} in url and one in {key}, expected one")
        return {"id": address.ident, **data, **inside, "url": address.url}

    def conflicts(self) -> Iterator[Conflict]:
        """Yield the conflicts of credentials, and TLS keys of a connection without TLS."""
        yield from super().conflicts()
        keys = "ca_file", "cert_file", "key_file", "tls_server_name"
        tls_keys = [key for key in keys if self._has(key)]
        tls_keys += [key for key in ("check_hostname", "tls_verify") if not getattr(self, key)]
        if not self.url.startswith("rediss://"):
            for key in tls_keys:
                text = "found with {1} without TLS, expected a URL that starts with rediss://"
                yield Conflict(((key,), ("url",)), text)


class LocalConfig(Credentials):
    """The `[local]` section: shards of this machine, found in its process table."""

    enabled: kinds.Flag = False
    interval: kinds.Seconds = 2.0
    labels: kinds.Labels = Field(default_factory=dict)
    trusted_users: kinds.Texts = ()


class PollConfig(Section):
    """The `[poll]` section: intervals, timeouts and limits of polls."""

    min_interval: kinds.Seconds = 0.5
    max_interval: kinds.Seconds = 3.0
    interval_step: kinds.NonNegativeSeconds = 0.5
    ops_active: kinds.OpsRate = 10
    ops_inactive: kinds.OpsRate = 5
    timeout: kinds.Seconds = 3.0
    connect_timeout: kinds.Seconds = 3.0
    info: kinds.Sections = EVERYTHING
    max_connecting: kinds.Connections = 128
    jitter: kinds.Jitter = 0.1
    max_backoff: kinds.Seconds = 5.0
    resolve_every: kinds.NonNegativeSeconds = 60.0
    log_after_failures: kinds.Failures = 3
    max_reply_bytes: kinds.Bytes = 512 * 1024
    max_fields: kinds.Fields = 3000

    def conflicts(self) -> Iterator[Conflict]:
        """Yield minimums above their maximum."""
        for low, high in (("min_interval", "max_interval"), ("ops_inactive", "ops_active")):
            smaller, larger = getattr(self, low), getattr(self, high)
            if smaller > larger:
                text = f"found {smaller}, expected at most {{1}}, which is {larger}"
                yield Conflict(((low,), (high,)), text)

    def for_shard(self, shard: ShardConfig) -> PollConfig:
        """Return these settings, overridden by those of a shard."""
        overrides = {key: getattr(shard, key) for key in SHARD_TUNABLES}
        overrides = {key: value for key, value in overrides.items() if value is not None}
        return self.model_copy(update=overrides) if overrides else self


class BusConfig(Section):
    """The `[bus]` section: endpoints and limits of the bus."""

    endpoint: kinds.Endpoint = "tcp://127.0.0.1:9737"
    high_water_mark: kinds.Messages = 10_000
    heartbeat: kinds.Seconds = 1.0
    advertise: kinds.ClientEndpoint = ""
    endpoints: kinds.ClientEndpoints = Field(default_factory=dict)


class QueryConfig(Section):
    """The `[query]` section: endpoint and limits of queries."""

    endpoint: kinds.Endpoint = "tcp://127.0.0.1:9736"
    max_request_bytes: kinds.Bytes = 65_536
    max_reply_bytes: kinds.Bytes = 4 * kinds.MIB
    min_refresh_interval: kinds.NonNegativeSeconds = 0.1
    events_kept: kinds.Events = 10_000


class XmlRpcConfig(Section):
    """The `[xmlrpc]` section: the XML-RPC server."""

    listen: kinds.Listen = ""
    allowed_hosts: kinds.HostNames = ()

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen at (port 0: any free port); None if the server is disabled."""
        return parse_listen(self.listen) if self.listen else None


class HttpConfig(Section):
    """The `[http]` section: the HTTP server."""

    listen: kinds.Listen = ""
    token_file: kinds.SecretFilePath | None = None
    cert_file: kinds.FilePath | None = None
    key_file: kinds.FilePath | None = None
    client_ca_file: kinds.FilePath | None = None
    allowed_hosts: kinds.HostNames = ()
    proxies: kinds.Networks = ()
    page: kinds.Flag = True

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen at (port 0: any free port); None if the server is disabled."""
        return parse_listen(self.listen) if self.listen else None

    @property
    def knows_clients(self) -> bool:
        """Whether clients authenticate."""
        return self.token_file is not None or self.client_ca_file is not None

    def conflicts(self) -> Iterator[Conflict]:
        """Yield TLS files that require another one."""
        for one, needs in (
            ("cert_file", "key_file"),
            ("key_file", "cert_file"),
            ("client_ca_file", "cert_file"),
        ):
            if getattr(self, one) is not None and getattr(self, needs) is None:
                yield Conflict(((one,), (needs,)), "found without {1}, expected both")


class HistoryConfig(Section):
    """The `[history]` section: which history of each shard is in memory."""

    enabled: kinds.Flag = True
    minutes: kinds.HistoryMinutes = 15.0
    step: kinds.HistoryStep = 5.0

    @property
    def points(self) -> int:
        """Number of steps."""
        return math.ceil(self.minutes * 60 / self.step)

    def conflicts(self) -> Iterator[Conflict]:
        """Yield a time that has too few or too many steps."""
        if not MIN_POINTS <= self.points <= MAX_POINTS:
            text = f"found {self.points} steps of {{1}}, expected {MIN_POINTS} to {MAX_POINTS}"
            yield Conflict((("minutes",), ("step",)), text)


class MetricsConfig(Section):
    """The `[metrics]` section: which metrics the HTTP server exposes."""

    include: kinds.Texts = ("*",)
    exclude: kinds.Texts = ()
    labels: kinds.Texts | None = None
    max_samples: kinds.Samples = 5000


class SecurityConfig(Section):
    """The `[security]` section: CURVE keys, without which only this machine has access."""

    server_key: kinds.SecretFilePath | None = None
    client_keys: kinds.DirectoryPath | None = None
    insecure: kinds.Flag = False

    def conflicts(self) -> Iterator[Conflict]:
        """Yield a server key without client keys, and the reverse."""
        if (self.server_key is None) != (self.client_keys is None):
            given, missing = ("server_key",), ("client_keys",)
            if self.server_key is None:
                given, missing = missing, given
            yield Conflict((given, missing), "found without {1}, expected both or none")


class ClientConfig(Section):
    """One `[clients.NAME]` table: the rights of a client."""

    shards: kinds.Texts | None = None
    operations: kinds.OperationNames | None = None
    hidden_fields: kinds.Texts = ()


Clients = Annotated[
    dict[kinds.ClientName, ClientConfig], kinds.Expected("tables, each headed [clients.NAME]")
]


class LogConfig(Section):
    """The `[log]` section."""

    format: kinds.LogFormat = "text"
    level: kinds.LogLevel = "info"


class Config(Section):
    """A complete configuration; `Config()` has the defaults."""

    node: kinds.NameOrEmpty = ""
    state_dir: kinds.DirectoryPathOrEmpty = ""
    shards: tuple[ShardConfig, ...] = ()
    sources: tuple[SourceTable, ...] = ()
    credentials: CredentialsTables = Field(default_factory=dict)
    guard: GuardConfig = GuardConfig()
    slice: SliceConfig = SliceConfig()
    local: LocalConfig = LocalConfig()
    poll: PollConfig = PollConfig()
    bus: BusConfig = BusConfig()
    query: QueryConfig = QueryConfig()
    xmlrpc: XmlRpcConfig = XmlRpcConfig()
    http: HttpConfig = HttpConfig()
    history: HistoryConfig = HistoryConfig()
    metrics: MetricsConfig = MetricsConfig()
    security: SecurityConfig = SecurityConfig()
    clients: Clients = Field(default_factory=dict)
    log: LogConfig = LogConfig()
    _warnings: tuple[str, ...] = PrivateAttr(default=())

    @property
    def warnings(self) -> tuple[str, ...]:
        """A line for each key that a source of this configuration sets under its old name."""
        return self._warnings

    def with_warnings(self, warnings: Sequence[str]) -> Config:
        """Return a copy of this configuration with these `warnings`."""
        config = self.model_copy()
        config._warnings = tuple(warnings)
        return config

    def conflicts(self) -> Iterator[Conflict]:
        """Yield all conflicts, within and between the sections."""
        for name in ("slice", "local", "poll", "http", "history", "security"):
            section: Section = getattr(self, name)
            yield from (found.under(name) for found in section.conflicts())
        yield from conflicts_between(self)
