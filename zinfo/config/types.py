"""The types of configuration keys: accepted values, unit, and the description for errors.

All are strict, because TOML has its own types: a number in quotes is not a number.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from zinfo.info.section_choice import parse_choice
from zinfo.wire.addresses import (
    SHARD_URLS,
    check_endpoint,
    check_host,
    check_server_name,
    parse_listen,
    parse_shard_url,
)

DAY = 86400
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Expected:
    """What a key expects; part of its type, for errors and for the test of the documentation.

    Attributes:
        text: completes "expected ...".
        unit: of a number; empty for other types.
        secret: whether an invalid value is never shown, because it may be a password.
        address: whether the value may be, by mistake, a URL with a password.
    """

    text: str
    unit: str = ""
    secret: bool = False
    address: bool = False


def printable(text: str) -> str:
    """Return a text without control characters.

    Raises:
        ValueError: it has some.
    """
    if not text.isprintable():
        raise ValueError("it contains control characters")
    return text


def _shard_url(url: str) -> str:
    return parse_shard_url(url).url


def _client_endpoint(endpoint: str) -> str:
    return check_endpoint(endpoint, for_clients=True) if endpoint else endpoint


def _listen(listen: str) -> str:
    if listen:
        parse_listen(listen)
    return listen


def _network(network: str) -> str:
    try:
        ip_network(network)
    except ValueError:  # its text repeats the value, which may be a URL with a password
        raise ValueError("it is not an address or a network") from None
    return network


def _sections(value: object) -> tuple[str, ...]:
    if not isinstance(value, str | list | tuple):
        raise ValueError("it is not an array of names")
    return parse_choice(value)


Flag = Annotated[bool, Field(strict=True), Expected("true or false")]

Seconds = Annotated[
    float,
    Field(strict=True, gt=0, le=DAY, allow_inf_nan=False),
    Expected(f"a number of seconds above 0, at most {DAY}", "s"),
]
NonNegativeSeconds = Annotated[
    float,
    Field(strict=True, ge=0, le=DAY, allow_inf_nan=False),
    Expected(f"a number of seconds from 0 to {DAY}", "s"),
]
HistoryMinutes = Annotated[
    float,
    Field(strict=True, gt=0, le=240, allow_inf_nan=False),
    Expected("a number of minutes above 0, at most 240", "min"),
]
HistoryStep = Annotated[
    float,
    Field(strict=True, ge=1, le=3600, allow_inf_nan=False),
    Expected("a number of seconds from 1 to 3600", "s"),
]
Jitter = Annotated[
    float,
    Field(strict=True, ge=0, le=0.5, allow_inf_nan=False),
    Expected("a number from 0 to 0.5", "fraction of the interval"),
]
OpsRate = Annotated[
    int,
    Field(strict=True, ge=0, le=10**9),
    Expected("a whole number from 0 to 1000000000", "commands/s"),
]
Failures = Annotated[
    int,
    Field(strict=True, ge=0, le=10**6),
    Expected("a whole number from 0 to 1000000", "failures"),
]
Connections = Annotated[
    int,
    Field(strict=True, ge=1, le=65535),
    Expected("a whole number from 1 to 65535", "connections"),
]
Messages = Annotated[
    int,
    Field(strict=True, ge=1, le=10**7),
    Expected("a whole number from 1 to 10000000", "messages"),
]
Samples = Annotated[
    int,
    Field(strict=True, ge=1, le=10**6),
    Expected("a whole number from 1 to 1000000", "samples"),
]
Fields = Annotated[
    int,
    Field(strict=True, ge=100, le=10**6),
    Expected("a whole number from 100 to 1000000", "fields"),
]
Events = Annotated[
    int,
    Field(strict=True, ge=1, le=10**7),
    Expected("a whole number from 1 to 10000000", "events"),
]
Bytes = Annotated[
    int,
    Field(strict=True, ge=1024, le=1024 * MIB),
    Expected(f"a whole number from 1024 to {1024 * MIB}", "bytes"),
]

ShardUrl = Annotated[
    str,
    Field(strict=True, max_length=4096),
    AfterValidator(_shard_url),
    Expected(SHARD_URLS),
]
Endpoint = Annotated[
    str,
    Field(strict=True, max_length=1024),
    AfterValidator(check_endpoint),
    Expected("tcp://HOST:PORT (either may be *) or ipc://PATH", address=True),
]
ClientEndpoint = Annotated[
    str,
    Field(strict=True, max_length=1024),
    AfterValidator(_client_endpoint),
    Expected("tcp://HOST:PORT, ipc://PATH or an empty text", address=True),
]
Listen = Annotated[
    str,
    Field(strict=True, max_length=1024),
    AfterValidator(_listen),
    Expected("HOST:PORT or an empty text", address=True),
]

Name = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=512),
    AfterValidator(printable),
    Expected("1 to 512 printable characters"),
]
NameOrEmpty = Annotated[
    str,
    Field(strict=True, max_length=255),
    AfterValidator(printable),
    Expected("at most 255 printable characters"),
]
LabelTexts = dict[
    Annotated[str, Field(strict=True, min_length=1, max_length=128), AfterValidator(printable)],
    Annotated[str, Field(strict=True, max_length=1024), AfterValidator(printable)],
]
"""A text for each name of a label."""
Labels = Annotated[
    LabelTexts,
    Expected('names and texts, as in { role = "cache" }'),
]

FilePath = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=4096),
    AfterValidator(printable),
    Expected("the path of a file"),
]
DirectoryPath = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=4096),
    AfterValidator(printable),
    Expected("the path of a directory"),
]
DirectoryPathOrEmpty = Annotated[
    str,
    Field(strict=True, max_length=4096),
    AfterValidator(printable),
    Expected("the path of a directory, or an empty text"),
]
# A user may enter the password itself in these two, so an invalid value is not shown.
SecretFilePath = Annotated[FilePath, Expected("the path of a file", secret=True)]
VariableName = Annotated[
    str,
    Field(strict=True, max_length=255, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$"),
    Expected("the name of an environment variable", secret=True),
]
Secret = Annotated[
    SecretStr,
    Field(min_length=1, max_length=4096),
    Expected("a password of at least 1 character", secret=True),
]

ClientName = Annotated[
    str, Field(strict=True, max_length=128, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@-]*$")
]
ClientEndpoints = Annotated[
    dict[ClientName, Endpoint],
    Expected('client names and endpoints, as in { cache = "tcp://0.0.0.0:9741" }', address=True),
]
Texts = Annotated[
    tuple[
        Annotated[str, Field(strict=True, min_length=1, max_length=512), AfterValidator(printable)],
        ...,
    ],
    Expected('an array of texts, as in ["cache-", "orders-"]'),
]
HostNames = Annotated[
    tuple[
        Annotated[str, Field(strict=True, max_length=255), AfterValidator(check_host)],
        ...,
    ],
    Expected('an array of host names, as in ["zinfo.example.net"], or ["*"] for any'),
]
ServerName = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=255),
    AfterValidator(check_server_name),
    Expected("a host name or an IP address"),
]
Networks = Annotated[
    tuple[Annotated[str, Field(strict=True, max_length=64), AfterValidator(_network)], ...],
    Expected(
        'an array of IP addresses and networks, as in ["10.0.0.7", "10.1.0.0/16"]', address=True
    ),
]
Sections = Annotated[
    tuple[str, ...],
    BeforeValidator(_sections),
    Expected('"everything", "all", "default" or an array of sections, as in ["memory", "clients"]'),
]
OperationName = Literal[
    "get_infos",
    "shards",
    "snapshot",
    "events",
    "stats",
    "sources",
    "accept_source",
    "history",
    "sd",
]
OperationNames = Annotated[
    tuple[OperationName, ...],
    Expected(f"an array of some of {', '.join(get_args(OperationName))}"),
]

LogFormat = Annotated[Literal["text", "json"], Expected('"text" or "json"')]
LogLevel = Annotated[
    Literal["debug", "info", "warning", "error"],
    Expected('"debug", "info", "warning" or "error"'),
]
