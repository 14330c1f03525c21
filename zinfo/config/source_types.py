"""The types of keys in `[[sources]]`, `[credentials]` and `[guard]`: accepted values and units."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from zinfo.config.types import Expected, LabelTexts, printable
from zinfo.discovery.host_patterns import MAX_PATTERNS, HostPatterns
from zinfo.discovery.rules import check_id_template
from zinfo.wire.addresses import DEFAULT_REDIS_PORT, check_host, host_port, parse_shard_url

STATIC = "static"
"""Name of the source that consists of the `[[shards]]`."""

DEFAULT_SENTINEL_PORT = 26379
"""Port of a Sentinel whose URL has no port."""

# The pattern that Prometheus requires in file_sd_config (discovery/file/file.go).
_TARGET_FILES = re.compile(r"[^*]*(\*[^/]*)?\.(json|yml|yaml|JSON|YML|YAML)")
_ESCAPED_STAR = "[*]"  # in the path of a directory, written by `inputs`

_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$"

_IN_CREDENTIALS = "it has a user or a password; a table [credentials.NAME] in a file can have them"


def _source_name(name: str) -> str:
    if name == STATIC:
        raise ValueError("it is the name of [[shards]]")
    return name


def _not_empty(texts: tuple[str, ...]) -> tuple[str, ...]:
    if not texts:
        raise ValueError("it is empty")
    return texts


def _target_files(pattern: str) -> str:
    if not _TARGET_FILES.fullmatch(pattern.replace(_ESCAPED_STAR, "")):
        raise ValueError("it does not end in .json, .yml or .yaml, or a directory has a *")
    return pattern


def _http_url(url: str) -> str:
    if " " in printable(url):
        raise ValueError("it contains white space")
    try:
        parts = urlsplit(url)
    except ValueError:  # its text repeats the host, and with it a password
        raise ValueError("its host is not a name or an address") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError("its scheme is not supported" if parts.scheme else "it has no scheme")
    if "@" in parts.netloc:
        raise ValueError("it has a user or a password; use the keys username and password_file")
    if "#" in url:
        raise ValueError("it has a #")
    host = parts.hostname or ""
    check_host(f"[{host}]" if ":" in host else host)
    if host == "*":
        raise ValueError("its host is *")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or parts.netloc.endswith(":"):
        raise ValueError("its port is not a number from 1 to 65535")
    return url


def _with_port(url: str, default_port: int) -> str:
    address = parse_shard_url(url)
    if address.path:
        raise ValueError("its scheme is not supported")
    if address.username is not None or address.password is not None:
        raise ValueError(_IN_CREDENTIALS)
    port = address.port if _has_port(url) else default_port
    return f"{address.scheme}://{host_port(address.host.replace('%', '%25'), port)}"


# Validators have one parameter: pydantic passes something else as a second one.
def _seed_url(url: str) -> str:
    return _with_port(url, DEFAULT_REDIS_PORT)


def _sentinel_url(url: str) -> str:
    return _with_port(url, DEFAULT_SENTINEL_PORT)


def _has_port(url: str) -> bool:
    authority = url.partition("://")[2].rpartition("@")[2].partition("/")[0]
    return ":" in authority.rpartition("]")[2]


def _dns_name(name: str) -> str:
    if name.rpartition(":")[2].isdigit() and name.count(":") == 1:
        raise ValueError("it has a port; the key port can have it")
    check_host(name)
    try:
        name.rstrip(".").encode("idna")  # raises for a label of more than 63 bytes
    except UnicodeError:
        raise ValueError("it is not a name") from None
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        if name != "*":
            return name
    raise ValueError("it is not a name")


def _host_pattern(pattern: str) -> str:
    try:
        HostPatterns([pattern])
    except ValueError:  # its text repeats the pattern, which may be a URL with a password
        raise ValueError("it is empty, or not a network") from None
    return printable(pattern)


def _id_template(template: str) -> str:
    check_id_template(printable(template))
    return template


SourceName = Annotated[
    str,
    Field(strict=True, max_length=128, pattern=_NAME),
    AfterValidator(_source_name),
    Expected("a name of letters, digits and _ . -"),
]
CredentialsName = Annotated[str, Field(strict=True, max_length=128, pattern=_NAME)]
CredentialsReference = Annotated[
    CredentialsName, Expected("the name of a table [credentials.NAME]")
]
TargetScheme = Annotated[Literal["redis", "rediss"], Expected('"redis" or "rediss" (TLS)')]
AddressKind = Annotated[Literal["ip", "hostname"], Expected('"ip" or "hostname"')]

IdTemplate = Annotated[
    str,
    Field(strict=True, max_length=512),
    AfterValidator(_id_template),
    Expected('a text with names of labels, host or port in braces, as in "{cluster}/{host}"'),
]
LabelPatterns = Annotated[
    LabelTexts,
    Expected('names of labels and patterns, as in { env = "prod*" }'),
]
TargetFiles = Annotated[
    tuple[
        Annotated[
            str,
            Field(strict=True, min_length=1, max_length=4096),
            AfterValidator(printable),
            AfterValidator(_target_files),
        ],
        ...,
    ],
    AfterValidator(_not_empty),
    Expected('an array of paths and patterns, as in ["/etc/zinfo/shards/*.json"]'),
]
HttpUrl = Annotated[
    str,
    Field(strict=True, max_length=4096),
    AfterValidator(_http_url),
    Expected("http://HOST/PATH or https://HOST/PATH", address=True),
]
SeedUrls = Annotated[
    tuple[Annotated[str, Field(strict=True, max_length=4096), AfterValidator(_seed_url)], ...],
    AfterValidator(_not_empty),
    Expected("an array of redis://HOST:PORT or rediss://HOST:PORT", address=True),
]
SentinelUrls = Annotated[
    tuple[Annotated[str, Field(strict=True, max_length=4096), AfterValidator(_sentinel_url)], ...],
    AfterValidator(_not_empty),
    Expected("an array of redis://HOST:PORT or rediss://HOST:PORT", address=True),
]
DnsNames = Annotated[
    tuple[Annotated[str, Field(strict=True, max_length=255), AfterValidator(_dns_name)], ...],
    Field(max_length=1000),  # as `discovery.sources.dns` allows
    AfterValidator(_not_empty),
    Expected('an array of names in DNS, as in ["_redis._tcp.example.net"]'),
]
Patterns = Annotated[
    tuple[
        Annotated[str, Field(strict=True, min_length=1, max_length=512), AfterValidator(printable)],
        ...,
    ],
    AfterValidator(_not_empty),
    Expected('an array of patterns, as in ["cache-*"]'),
]
Hosts = Annotated[
    tuple[Annotated[str, Field(strict=True, max_length=255), AfterValidator(_host_pattern)], ...],
    Field(max_length=MAX_PATTERNS),
    AfterValidator(_not_empty),
    Expected(
        'an array of hosts and networks, as in ["*.example.net", "10.20.0.0/16"]', address=True
    ),
]
Port = Annotated[
    int,
    Field(strict=True, ge=1, le=65535),
    Expected("a whole number from 1 to 65535"),
]
Reads = Annotated[
    int,
    Field(strict=True, ge=1, le=1000),
    Expected("a whole number from 1 to 1000", "reads"),
]
Part = Annotated[
    float,
    Field(strict=True, ge=0, le=1, allow_inf_nan=False),
    Expected("a number from 0 to 1", "part of the shards"),
]
