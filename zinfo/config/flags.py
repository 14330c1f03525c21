"""Reads the flags of the command line; `--cluster`, `--sentinel`, ... each make a source."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

from pydantic import SecretStr

from zinfo.config.inputs import Input
from zinfo.config.source_models import Login
from zinfo.wire.addresses import parse_shard_url

SOURCES = "sources."
"""Prefix of the key of a flag that makes sources; the type of the source follows."""

_PORT = re.compile(r"\d{1,5}", re.ASCII)

_Table: TypeAlias = dict[str, object]


def read_flags(flags: Mapping[str, tuple[str, object]]) -> Input:
    """Read flags such as `{"--query": ("query.endpoint", "tcp://...")}`; None means not set."""
    found = Input()
    for flag, (key, value) in flags.items():
        if value is None:
            continue
        if key == "shards":
            found.add_shards(value, flag)
        elif key.startswith(SOURCES):
            assert isinstance(value, list | tuple)
            _add_sources(found, key.removeprefix(SOURCES), value, flag)
        else:
            found.put(tuple(key.split(".")), value, flag)
    return found


def _add_sources(found: Input, kind: str, texts: Sequence[str], flag: str) -> None:
    """Append the sources of one type for the values of its flag."""
    if not texts:
        return
    if kind not in _WITH_LOGIN:
        for table in _TABLES[kind](texts):
            found.append("sources", {"type": kind, **table}, flag)
        return
    logins = [_login_in(url) for url in texts]
    different = {login for login in logins if login is not None}
    if len(different) > 1:
        found.problems.append(f"{flag}: found different users or passwords, expected the same")
        return
    (table,) = _TABLES[kind]([_without_login(url) for url in texts])
    index = found.append("sources", {"type": kind, **table}, flag)
    found.logins.update((index, login) for login in different)


def _login_in(url: str) -> Login | None:
    try:
        address = parse_shard_url(url)
    except ValueError:
        return None  # the validation of the URL reports it
    if address.username is None and address.password is None:
        return None
    password = None if address.password is None else SecretStr(address.password)
    return Login(address.username, password)


def _without_login(url: str) -> str:
    """Return a valid URL without user and password; one that is not valid as it is."""
    if _login_in(url) is None:
        return url
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def _files(patterns: Sequence[str]) -> Iterator[_Table]:
    yield {"files": list(patterns)}


def _http(urls: Sequence[str]) -> Iterator[_Table]:
    for number, url in enumerate(urls, 1):
        yield {"name": _numbered("http", number), "url": url}


def _cluster(seeds: Sequence[str]) -> Iterator[_Table]:
    yield {"seeds": list(seeds)}


def _sentinel(urls: Sequence[str]) -> Iterator[_Table]:
    """Sentinels that are reached by TLS usually monitor servers that are, too."""
    tls = all(url.startswith("rediss://") for url in urls)
    yield {"sentinels": list(urls), "scheme": "rediss" if tls else "redis"}


def _dns(names: Sequence[str]) -> Iterator[_Table]:
    for number, text in enumerate(names, 1):
        name, colon, port = text.rpartition(":")
        table: _Table = {"name": _numbered("dns", number), "names": [name if colon else text]}
        if colon:
            table["port"] = int(port) if _PORT.fullmatch(port) else port
        yield table


def _numbered(kind: str, number: int) -> str:
    return kind if number == 1 else f"{kind}-{number}"


_TABLES: Mapping[str, Callable[[Sequence[str]], Iterator[_Table]]] = MappingProxyType(
    {"file": _files, "http": _http, "cluster": _cluster, "sentinel": _sentinel, "dns": _dns}
)
_WITH_LOGIN = frozenset({"cluster", "sentinel"})
