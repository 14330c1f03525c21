"""The `[[sources]]` tables, one model for each type of source, and `[guard]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Literal, NamedTuple, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, PrivateAttr, SecretStr, model_validator

import zinfo.config.source_types as source_kinds
import zinfo.config.types as kinds
from zinfo.config.section import Conflict, Section
from zinfo.wire.addresses import Endpoint

_SOURCE_LABEL = "source"  # set by zinfo


class Login(NamedTuple):
    """User and password in the URLs of a command line; used only for the source of these URLs.

    Attributes:
        username: ACL user; None for the default user.
        password: the password.
    """

    username: str | None
    password: SecretStr | None


class GuardConfig(Section):
    """The `[guard]` section: limits on the removal of shards that a source no longer lists."""

    misses: source_kinds.Reads = 2
    hold: kinds.NonNegativeSeconds = 30.0
    max_removed: source_kinds.Part = 0.5
    release: kinds.NonNegativeSeconds = 900.0


class _Source(Section):
    """The keys of all types of sources."""

    name: source_kinds.SourceName = ""
    labels: kinds.Labels = Field(default_factory=dict)
    id: source_kinds.IdTemplate = ""
    keep: source_kinds.LabelPatterns = Field(default_factory=dict)
    drop: source_kinds.LabelPatterns = Field(default_factory=dict)
    credentials: source_kinds.CredentialsReference | None = None
    misses: source_kinds.Reads | None = None
    hold: kinds.NonNegativeSeconds | None = None
    max_removed: source_kinds.Part | None = None
    release: kinds.NonNegativeSeconds | None = None
    _login: Login | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _name_by_type(cls, data: object) -> object:
        if isinstance(data, Mapping) and isinstance(kind := data.get("type"), str):
            return {"name": kind, **data}
        return data

    @property
    def login(self) -> Login | None:
        """User and password of a source from the command line."""
        return self._login

    def set_login(self, login: Login) -> None:
        """Set what `login` returns; for the loader, before anything else sees this table."""
        self._login = login

    @property
    def credentials_names(self) -> Iterator[tuple[str, str]]:
        """Each key that names credentials, with the name."""
        for key in ("credentials", "sentinel_credentials"):
            if (name := getattr(self, key, None)) is not None:
                yield key, name

    def conflicts(self) -> Iterator[Conflict]:
        """Yield a label that zinfo sets."""
        if _SOURCE_LABEL in self.labels:
            text = f"found the label {_SOURCE_LABEL}, expected others: it is the name of the source"
            yield Conflict((("labels",),), text)


class FileSourceConfig(_Source):
    """A source of type `file`: targets in files, as Prometheus' file_sd."""

    type: Annotated[Literal["file"], kinds.Expected('"file"')]
    files: source_kinds.TargetFiles
    scheme: source_kinds.TargetScheme = "redis"
    interval: kinds.Seconds = 2.0


class HttpSourceConfig(_Source):
    """A source of type `http`: targets from an HTTP server, as Prometheus' http_sd."""

    type: Annotated[Literal["http"], kinds.Expected('"http"')]
    url: source_kinds.HttpUrl
    scheme: source_kinds.TargetScheme = "redis"
    refresh: kinds.Seconds = 60.0
    timeout: kinds.Seconds = 10.0
    token_file: kinds.SecretFilePath | None = None
    username: kinds.NameOrEmpty | None = None
    password_file: kinds.SecretFilePath | None = None
    ca_file: kinds.FilePath | None = None
    cert_file: kinds.FilePath | None = None
    key_file: kinds.FilePath | None = None

    @property
    def sends_secret_in_clear(self) -> bool:
        """Whether a token or password crosses a network without encryption."""
        secret = self.token_file is not None or self.password_file is not None
        parts = urlsplit(self.url)
        return secret and parts.scheme == "http" and not _is_local(parts.hostname or "")

    def conflicts(self) -> Iterator[Conflict]:
        """Yield incomplete or several ways to authenticate, and TLS files without TLS."""
        yield from super().conflicts()
        given = {key for key in type(self).model_fields if getattr(self, key) is not None}
        others = [key for key in ("username", "password_file") if key in given]
        if "token_file" in given and others:
            text = "found together with {1}, expected a token, or a user and a password"
            yield Conflict((("token_file",), (others[0],)), text)
        for one, needs in (
            ("username", "password_file"),
            ("password_file", "username"),
            ("key_file", "cert_file"),
        ):
            if one in given and needs not in given:
                yield Conflict(((one,), (needs,)), "found without {1}, expected both")
        for key in ("ca_file", "cert_file", "key_file"):
            if key in given and not self.url.startswith("https:"):
                text = "found with {1} without TLS, expected a URL that starts with https://"
                yield Conflict(((key,), ("url",)), text)


class ClusterSourceConfig(_Source):
    """A source of type `cluster`: the nodes of a Redis Cluster or Valkey cluster."""

    type: Annotated[Literal["cluster"], kinds.Expected('"cluster"')]
    seeds: source_kinds.SeedUrls
    address: source_kinds.AddressKind = "ip"
    interval: kinds.Seconds = 5.0

    def conflicts(self) -> Iterator[Conflict]:
        """Yield seeds with and without TLS."""
        yield from super().conflicts()
        if len({url.partition(":")[0] for url in self.seeds}) > 1:
            text = "found redis:// and rediss://, expected one of them: the nodes have the same"
            yield Conflict((("seeds",),), text)


class SentinelSourceConfig(_Source):
    """A source of type `sentinel`: the primaries and replicas that Sentinels monitor."""

    type: Annotated[Literal["sentinel"], kinds.Expected('"sentinel"')]
    sentinels: source_kinds.SentinelUrls
    masters: source_kinds.Patterns = ("*",)
    sentinel_credentials: source_kinds.CredentialsReference | None = None
    watch_sentinels: kinds.Flag = False
    scheme: source_kinds.TargetScheme = "redis"
    interval: kinds.Seconds = 5.0


class DnsSourceConfig(_Source):
    """A source of type `dns`: the addresses of names."""

    type: Annotated[Literal["dns"], kinds.Expected('"dns"')]
    names: source_kinds.DnsNames
    port: source_kinds.Port | None = None
    scheme: source_kinds.TargetScheme = "redis"
    interval: kinds.Seconds = 10.0

    def conflicts(self) -> Iterator[Conflict]:
        """Yield names whose records have no port."""
        yield from super().conflicts()
        for index, name in enumerate(self.names):
            if self.port is None and not name.startswith("_"):
                text = (
                    "found without {1}, expected a port: only SRV records (_redis._tcp...) have one"
                )
                yield Conflict((("names", index), ("port",)), text)
                return


SourceConfig: TypeAlias = (
    FileSourceConfig
    | HttpSourceConfig
    | ClusterSourceConfig
    | SentinelSourceConfig
    | DnsSourceConfig
)

SourceTable = Annotated[SourceConfig, Field(discriminator="type")]

SOURCE_MODELS: Mapping[str, type[SourceConfig]] = MappingProxyType(
    {
        "file": FileSourceConfig,
        "http": HttpSourceConfig,
        "cluster": ClusterSourceConfig,
        "sentinel": SentinelSourceConfig,
        "dns": DnsSourceConfig,
    }
)
"""The model of each type of source."""


def _is_local(host: str) -> bool:
    return Endpoint("tcp", host).is_local
