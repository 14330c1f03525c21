"""The configuration's sections and keys: types, defaults, and what must hold between keys.

One key's own limits are in its type (types); what two keys owe each other is a `Conflict`,
found by `conflicts()`. A configuration made in Python is checked for both at once; the loader puts
conflicts off until all sources are merged (`PARTIAL`), as one source may mend another's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Final, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationInfo, model_validator
from pydantic.fields import FieldInfo

import zinfo.config.types as kinds
from zinfo.security.bus_endpoints import BusEndpointError, assign_endpoints, overlap
from zinfo.security.bus_rights import BusRights
from zinfo.wire.addresses import (
    Endpoint,
    listen_endpoint,
    parse_endpoint,
    parse_listen,
    parse_shard_url,
)
from zinfo.wire.redact import redact_text

if TYPE_CHECKING:
    from typing_extensions import Self

Path = tuple[str | int, ...]

PARTIAL: Final[Mapping[str, bool]] = MappingProxyType({"partial": True})
"""Validation context of one source alone: values are checked, conflicts are not."""

SHARD_TUNABLES = (
    "min_interval",
    "max_interval",
    "interval_step",
    "ops_active",
    "ops_inactive",
    "timeout",
    "connect_timeout",
)
"""Keys of `[poll]` that a shard may set for itself."""


class Conflict(NamedTuple):
    """Two or more keys that do not go together.

    Attributes:
        keys: paths of the keys; the first is the one to complain about.
        template: what is wrong, a format string where `{0}`, `{1}`, ... are the keys' names.
    """

    keys: tuple[Path, ...]
    template: str

    def under(self, *prefix: str | int) -> Conflict:
        """The same conflict, seen from the level that holds this one at `prefix`."""
        return self._replace(keys=tuple((*prefix, *key) for key in self.keys))

    def __str__(self) -> str:
        """Word it for somebody who made the configuration in Python."""
        names = [".".join(map(str, key)) for key in self.keys]
        return f"{names[0]}: {self.template.format(*names)}"


class Section(BaseModel):
    """A table of the configuration: frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def conflicts(self) -> Iterator[Conflict]:
        """Yield what does not hold between this section's keys."""
        yield from ()

    @model_validator(mode="after")
    def _agree(self, info: ValidationInfo) -> Self:
        if info.context is not PARTIAL and (found := [str(one) for one in self.conflicts()]):
            raise ValueError("; ".join(found))
        return self


def section_of(info: FieldInfo) -> type[Section] | None:
    """Return the model of a field that is a table; None for a plain key, and for `[[shards]]`."""
    kind = info.annotation
    # tuple[...] is a type as well, for the Python 3.10 that then refuses it in issubclass().
    return kind if isinstance(kind, type(Section)) and issubclass(kind, Section) else None


class _Credentials(Section):
    """What a connection may need; shared by `[[shards]]` and `[local]`."""

    username: kinds.NameOrEmpty | None = None
    password_file: kinds.SecretFilePath | None = None
    password_env: kinds.VariableName | None = None
    ca_file: kinds.FilePath | None = None
    cert_file: kinds.FilePath | None = None
    key_file: kinds.FilePath | None = None

    def conflicts(self) -> Iterator[Conflict]:
        """Yield two passwords, and a key without its certificate."""
        kept = [(key,) for key in ("password_file", "password_env", "password") if self._has(key)]
        for one, other in combinations(kept, 2):
            text = "found beside {1}, expected at most one password (one in the URL counts)"
            yield Conflict((one, other), text)
        if self.key_file is not None and self.cert_file is None:
            text = "found without {1}, expected the certificate that belongs to the key"
            yield Conflict((("key_file",), ("cert_file",)), text)

    def _has(self, key: str) -> bool:
        return getattr(self, key, None) is not None


class ShardConfig(_Credentials):
    """One `[[shards]]` table.

    User and password inside the URL move to `username` and `password`, so that `url` holds none;
    `id` is always set.
    """

    url: kinds.ShardUrl
    id: kinds.Name = ""
    labels: kinds.Labels = Field(default_factory=dict)
    password: kinds.Secret | None = None
    check_hostname: kinds.Flag = True
    min_interval: kinds.Seconds | None = None
    max_interval: kinds.Seconds | None = None
    interval_step: kinds.SecondsOrNone | None = None
    ops_active: kinds.OpsRate | None = None
    ops_inactive: kinds.OpsRate | None = None
    timeout: kinds.Seconds | None = None
    connect_timeout: kinds.Seconds | None = None

    @model_validator(mode="before")
    @classmethod
    def _take_url_apart(cls, data: object) -> object:
        if not isinstance(data, Mapping) or not isinstance(url := data.get("url"), str):
            return data
        try:
            address = parse_shard_url(url)
        except ValueError:
            return data  # the key's own check tells it
        inside = {"username": address.username, "password": address.password}
        inside = {key: value for key, value in inside.items() if value is not None}
        for key in inside:
            if data.get(key) is not None:
                raise ValueError(f"found a {key} in url and one in {key}, expected one")
        return {"id": address.ident, **data, **inside, "url": address.url}

    def conflicts(self) -> Iterator[Conflict]:
        """Yield what credentials may have, and TLS keys of a connection without TLS."""
        yield from super().conflicts()
        tls_keys = [key for key in ("ca_file", "cert_file", "key_file") if self._has(key)]
        if not self.check_hostname:
            tls_keys.append("check_hostname")
        if not self.url.startswith("rediss://"):
            for key in tls_keys:
                text = "found beside {1} without TLS, expected a URL that starts with rediss://"
                yield Conflict(((key,), ("url",)), text)


class LocalConfig(_Credentials):
    """The `[local]` section: shards of this machine, found by looking at its processes."""

    enabled: kinds.Flag = False
    interval: kinds.Seconds = 2.0
    labels: kinds.Labels = Field(default_factory=dict)
    trusted_users: kinds.Texts = ()


class PollConfig(Section):
    """The `[poll]` section: how often shards are asked, and how patiently."""

    min_interval: kinds.Seconds = 0.5
    max_interval: kinds.Seconds = 3.0
    interval_step: kinds.SecondsOrNone = 0.5
    ops_active: kinds.OpsRate = 10
    ops_inactive: kinds.OpsRate = 5
    timeout: kinds.Seconds = 3.0
    connect_timeout: kinds.Seconds = 3.0
    max_connecting: kinds.Connections = 128
    jitter: kinds.Jitter = 0.1
    max_backoff: kinds.Seconds = 5.0
    log_after_failures: kinds.Failures = 3
    max_reply_bytes: kinds.Bytes = 512 * 1024
    max_fields: kinds.Fields = 3000

    def conflicts(self) -> Iterator[Conflict]:
        """Yield limits that are the wrong way round."""
        for low, high in (("min_interval", "max_interval"), ("ops_inactive", "ops_active")):
            smaller, larger = getattr(self, low), getattr(self, high)
            if smaller > larger:
                text = f"found {smaller}, expected at most {{1}}, which is {larger}"
                yield Conflict(((low,), (high,)), text)

    def for_shard(self, shard: ShardConfig) -> PollConfig:
        """Return these settings with what `shard` sets for itself in their place."""
        own = {key: getattr(shard, key) for key in SHARD_TUNABLES}
        own = {key: value for key, value in own.items() if value is not None}
        return self.model_copy(update=own) if own else self


class BusConfig(Section):
    """The `[bus]` section: what the daemon publishes on."""

    endpoint: kinds.Endpoint = "tcp://127.0.0.1:9737"
    high_water_mark: kinds.Messages = 10_000
    heartbeat: kinds.Seconds = 1.0
    advertise: kinds.ClientEndpoint = ""
    endpoints: kinds.ClientEndpoints = Field(default_factory=dict)


class QueryConfig(Section):
    """The `[query]` section: where questions are answered, and within which bounds."""

    endpoint: kinds.Endpoint = "tcp://127.0.0.1:9736"
    max_request_bytes: kinds.Bytes = 65_536
    max_reply_bytes: kinds.Bytes = 4 * kinds.MIB
    min_refresh_interval: kinds.SecondsOrNone = 0.1
    events_kept: kinds.Events = 10_000


class XmlRpcConfig(Section):
    """The `[xmlrpc]` section: the XML-RPC server."""

    listen: kinds.Listen = ""
    allowed_hosts: kinds.HostNames = ()

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen on (port 0: any free one); None where the door is off."""
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

    @property
    def address(self) -> tuple[str, int] | None:
        """Host and port to listen on (port 0: any free one); None where the door is off."""
        return parse_listen(self.listen) if self.listen else None

    @property
    def knows_clients(self) -> bool:
        """Whether clients show who they are."""
        return self.token_file is not None or self.client_ca_file is not None

    def conflicts(self) -> Iterator[Conflict]:
        """Yield parts of TLS that lack another one."""
        for one, needs in (
            ("cert_file", "key_file"),
            ("key_file", "cert_file"),
            ("client_ca_file", "cert_file"),
        ):
            if getattr(self, one) is not None and getattr(self, needs) is None:
                yield Conflict(((one,), (needs,)), "found without {1}, expected both")


class MetricsConfig(Section):
    """The `[metrics]` section: which metrics the HTTP server tells."""

    include: kinds.Texts = ("*",)
    exclude: kinds.Texts = ()
    labels: kinds.Texts | None = None
    max_samples: kinds.Samples = 5000


class SecurityConfig(Section):
    """The `[security]` section: CURVE keys on both sockets, or nobody from other machines."""

    server_key: kinds.SecretFilePath | None = None
    client_keys: kinds.DirectoryPath | None = None
    insecure: kinds.Flag = False

    def conflicts(self) -> Iterator[Conflict]:
        """Yield one kind of keys without the other."""
        if (self.server_key is None) != (self.client_keys is None):
            given, missing = ("server_key",), ("client_keys",)
            if self.server_key is None:
                given, missing = missing, given
            yield Conflict((given, missing), "found without {1}, expected both or none")


class ClientConfig(Section):
    """One `[clients.NAME]` table: what the client with that key may."""

    shards: kinds.Texts | None = None
    operations: kinds.OperationNames | None = None
    hidden_fields: kinds.Texts = ()


Clients = Annotated[
    dict[kinds.ClientName, ClientConfig], kinds.Wanted("tables, each headed [clients.NAME]")
]


class LogConfig(Section):
    """The `[log]` section."""

    format: kinds.LogFormat = "text"
    level: kinds.LogLevel = "info"


class Config(Section):
    """A whole configuration; `Config()` is what zinfo does without any."""

    node: kinds.NameOrEmpty = ""
    shards: tuple[ShardConfig, ...] = ()
    local: LocalConfig = LocalConfig()
    poll: PollConfig = PollConfig()
    bus: BusConfig = BusConfig()
    query: QueryConfig = QueryConfig()
    xmlrpc: XmlRpcConfig = XmlRpcConfig()
    http: HttpConfig = HttpConfig()
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
        """Yield every conflict, those within the sections included."""
        for name in ("local", "poll", "http", "security"):
            section: Section = getattr(self, name)
            yield from (found.under(name) for found in section.conflicts())
        yield from self._address_conflicts()
        yield from self._bus_conflicts()
        yield from self._openness_conflicts()
        first_with: dict[str, int] = {}
        for index, shard in enumerate(self.shards):
            yield from (found.under("shards", index) for found in shard.conflicts())
            yield from self._tuning_conflicts(index, shard)
            earlier = first_with.setdefault(shard.id, index)
            if earlier != index:
                name = repr(redact_text(shard.id)).replace("{", "{{").replace("}", "}}")
                text = f"found the id {name}, expected one of its own: {{1}} has it too"
                yield Conflict((("shards", index), ("shards", earlier)), text)

    def _tuning_conflicts(self, index: int, shard: ShardConfig) -> Iterator[Conflict]:
        """Yield conflicts of what a shard sets for itself with the rest of `[poll]`."""
        tuned = self.poll.for_shard(shard)
        if tuned is self.poll:
            return
        for found in tuned.conflicts():
            own = [getattr(shard, str(key)) is not None for (key,) in found.keys]
            if any(own):  # else it is a conflict of [poll] alone
                places = [("shards", index) if mine else ("poll",) for mine in own]
                keys = (place + key for place, key in zip(places, found.keys, strict=True))
                yield found._replace(keys=tuple(keys))

    def _listening(self) -> dict[Path, Endpoint]:
        """Return the addresses to bind that have a key of their own, by that key."""
        return {
            ("query", "endpoint"): parse_endpoint(self.query.endpoint),
            ("bus", "endpoint"): parse_endpoint(self.bus.endpoint),
            **{
                (name, "listen"): listen_endpoint(listen)
                for name, listen in (("xmlrpc", self.xmlrpc.listen), ("http", self.http.listen))
                if listen
            },
        }

    def _address_conflicts(self) -> Iterator[Conflict]:
        """Yield two doors that would bind one address."""
        for (one, first), (other, second) in combinations(self._listening().items(), 2):
            if first == second and (first.port or first.scheme != "tcp"):
                yield Conflict((other, one), "found the address of {1}, expected one of its own")

    def _bus_conflicts(self) -> Iterator[Conflict]:
        """Yield sets of rights that cannot have a socket each."""
        key: Path = ("bus", "endpoints")
        if self.security.server_key is None:
            if self.bus.endpoints:
                text = "found without {1}: without keys all clients have bus.endpoint"
                yield Conflict((key, ("security", "server_key")), text)
            return
        rights = {
            name: BusRights.of(one.shards, one.operations, one.hidden_fields)
            for name, one in self.clients.items()
        }
        try:
            assigned = assign_endpoints(self.bus.endpoint, self.bus.endpoints, rights)
        except BusEndpointError as error:
            yield Conflict((key,), _literal(str(error)))
            return
        for endpoint in assigned:
            for other, address in self._listening().items():
                if overlap(parse_endpoint(endpoint.address), address):
                    found = f"found {endpoint.address} for {', '.join(endpoint.clients)}"
                    what = f"which is the address of {{1}}: set {endpoint.key} to another one"
                    yield Conflict((key, other), f"{_literal(found)}, {what}")

    def _openness_conflicts(self) -> Iterator[Conflict]:
        """Yield addresses that other machines reach without a key, and rights without keys."""
        keys: Path = ("security", "server_key")
        if self.clients and self.security.server_key is None and not self.http.knows_clients:
            text = "found without {1}, expected keys or tokens, by which clients are known"
            yield Conflict((("clients",), keys), text)
        if self.xmlrpc.listen and not listen_endpoint(self.xmlrpc.listen).is_local:
            text = "found an address that other machines reach, expected one like 127.0.0.1:PORT"
            yield Conflict((("xmlrpc", "listen"),), text)
        if self.security.insecure:
            return
        http = self.http
        open_http = http.listen and not listen_endpoint(http.listen).is_local
        if open_http and not http.knows_clients:
            text = (
                "found an address that other machines reach, without {1} or {2}: expected one of "
                "them, 127.0.0.1, or --insecure where all may read all"
            )
            ways: tuple[Path, ...] = (("http", "token_file"), ("http", "client_ca_file"))
            yield Conflict((("http", "listen"), *ways), text)
        if self.security.server_key is not None:
            return
        for name, endpoint in (("query", self.query.endpoint), ("bus", self.bus.endpoint)):
            if not parse_endpoint(endpoint).is_local:
                text = (
                    "found an address that other machines reach, without {1}: expected keys (make "
                    "them with `zinfo keygen`), 127.0.0.1, or --insecure where all may read all"
                )
                yield Conflict(((name, "endpoint"), keys), text)


def _literal(text: str) -> str:
    """Return a template that gives this text."""
    return text.replace("{", "{{").replace("}", "}}")
