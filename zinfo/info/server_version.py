"""The version of a server: which field of INFO has it. Pure.

Forks of Redis report the version of Redis that they are compatible with as `redis_version`, and
their own in a field that is named after themselves: `valkey_version`, `garnet_version`. So the
field is found by a rule, which finds later forks as well: the first field `NAME_version` of the
section Server whose NAME is not Redis and not a tool that the server was built with.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import islice, takewhile
from typing import Final, NamedTuple

from zinfo.info.text import read_text

_OTHER_NAME: Final = re.compile(
    "(.*[_-])?("
    "abi|aof|api|bdb|build|clang|client|cluster|compiler|config|data|db|dotnet|file|format|gcc|git|"
    "glibc|go|icu|java|jemalloc|jvm|kernel|leveldb|libc|lmdb|lua|luajit|mimalloc|modules?|musl|"
    "node|openssl|os|perl|proto|protocol|python|rdb|redis|resp|rocksdb|ruby|runtime|rustc?|schema|"
    "script|spec|sqlite|ssl|tcmalloc|tls|wasm|zig|zlib|zstd"
    ")([_-].*)?"
)
"""Names in `NAME_version` of something else than the server: of a library, a compiler or a format,
or of Redis, of which forks report a version that they are compatible with."""

KNOWN: Final = (
    "dragonfly_version",
    "garnet_version",
    "keydb_version",
    "kvrocks_version",
    "memurai_version",
    "pika_version",
    "redict_version",
    "upstash_version",
    "valkey_version",
)
"""Fields with the version of known forks. The rule finds more."""

_REDIS: Final = "redis_version"
_MAX_TEXT: Final = 100  # characters of a version; events have it twice
_MAX_SECTION: Final = 4096  # bytes of the section Server that are searched; of Redis it has 700
_MAX_FIELDS: Final = 64  # fields of parsed INFO that are searched, which has no sections
_AFTER_VERSIONS: Final = frozenset(
    (
        "connected_clients",
        "loading",
        "role",
        "tcp_port",
        "total_connections_received",
        "uptime_in_seconds",
        "used_memory",
    )
)
"""Fields of every server that come after those with its own version. Parsed fields have no
sections, and modules such as RediSearch have versions in sections of their own."""
_SERVER_NAME: Final = "server_name"
_ENDINGS: Final = ("version", _SERVER_NAME)
_HEADER: Final = re.compile(rb"^#[ \t]*server[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_LINE: Final = re.compile(
    rb"^((?:[A-Za-z][\w-]*_)?version|server_name):([^\r\n]*)", re.IGNORECASE | re.MULTILINE
)


class ServerVersion(NamedTuple):
    """A server's own version.

    Attributes:
        field: the field of INFO that has it.
        text: the version, as the server wrote it; at most 100 characters.
    """

    field: str
    text: str


def find_version(raw: bytes) -> ServerVersion | None:
    """Return the server's own version by the bytes of a reply; None where the reply has none."""
    header = _HEADER.search(raw)
    start = header.end() if header else 0
    end = raw.find(b"\n#", start)
    section = raw[start : min(end if end >= 0 else len(raw), start + _MAX_SECTION)]
    return _choose((name.decode(), read_text(value)) for name, value in _LINE.findall(section))


def version_of(fields: Mapping[str, object]) -> ServerVersion | None:
    """Return the server's own version by parsed fields.

    They are in the order of a reply, except for those that were added by a later one; of these only
    the fields of known forks are found.
    """
    head = takewhile(
        lambda item: item[0] not in _AFTER_VERSIONS, islice(fields.items(), _MAX_FIELDS)
    )
    found = {name: value for name, value in head if name.endswith(_ENDINGS)}
    for name in (_SERVER_NAME, *KNOWN, _REDIS):
        if name in fields:
            found.setdefault(name, fields[name])
    chosen = _choose((name, _text(value)) for name, value in found.items())
    return chosen or _choose([("version", _text(fields.get("version")))])


def _text(value: object) -> str:
    """Return a value as text; of a field that is repeated, the last, as in the bytes of a reply."""
    if isinstance(value, list) and value:
        value = value[-1]
    return str(value) if isinstance(value, (str, int, float)) else ""


def may_have_version(field: str) -> bool:
    """Return whether a field of this name may have a server's own version."""
    field = field.lower()
    if field in ("version", _REDIS):
        return True
    return field.endswith("_version") and not _OTHER_NAME.fullmatch(field.removesuffix("_version"))


def _choose(pairs: Iterable[tuple[str, str]]) -> ServerVersion | None:
    """Return the version among the fields of the section Server."""
    found = {name: text.strip()[:_MAX_TEXT] for name, text in pairs if text.strip()}
    named = f"{found.get(_SERVER_NAME, '').lower()}_version"
    own = [name for name in found if may_have_version(name)]
    # Kvrocks before 2.1 had only `version`.
    own.sort(key=lambda name: (name != named, name == _REDIS, name == "version"))
    return ServerVersion(own[0], found[own[0]]) if own else None
