"""Parses the `target` of a scrape, in the forms that redis_exporter accepts. Pure.

A target names a server that zinfo already polls, so only its address counts: user, password,
database and query are dropped. No error message repeats any part of the target.
"""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from urllib.parse import unquote

from zinfo.wire.addresses import ShardAddress, host_port, parse_shard_url

_SCHEMES = {
    "redis": "redis",
    "rediss": "rediss",
    "tcp": "redis",
    "unix": "unix",
    "valkey": "redis",
    "valkeys": "rediss",
}
"""Schemes of targets, and those of shard URLs that mean the same."""

_ENCODED_URL = re.compile(r"[a-z]+%3a%2f%2f", re.IGNORECASE)
_END_OF_AUTHORITY = re.compile(r"[/?#]")


def parse_target(target: str) -> tuple[str, ...]:
    """Return the addresses that a target may mean, the likeliest first, as `address_key` does.

    There are two for an IPv6 address without brackets: its last group may be the port.

    Args:
        target: a shard URL, or `redis://` may be missing. Also accepted are the schemes `valkey`,
            `valkeys` and `tcp`, a path of a Unix socket without a scheme, an IPv6 address without
            brackets, a query (`?db=0`), a slash at the end, and a whole URL that is encoded twice.

    Raises:
        ValueError: the target is not an address; the message says why.
    """
    if not target:
        raise ValueError("it is missing; expected HOST:PORT or a URL")
    if _ENCODED_URL.match(target):
        target = unquote(target)
    if "://" not in target:
        target = f"unix://{target}" if target.startswith("/") else f"redis://{target}"
    name, _, rest = target.partition("://")
    scheme = _SCHEMES.get(name.lower())
    if scheme is None:
        raise ValueError(f"its scheme is none of {', '.join(_SCHEMES)}")
    if scheme == "unix":
        place = rest.partition("?")[0].partition("#")[0]
        return (address_key(parse_shard_url(f"unix://{place}")),)
    end = _END_OF_AUTHORITY.search(rest)
    authority, after = (rest[: end.start()], rest[end.start() :]) if end else (rest, "")
    if "@" in after:  # what precedes it may be a part of a password
        raise ValueError(
            "it has a / ? or # before its @; in a password, @ : / ? # and % are written "
            "%40 %3A %2F %3F %23 %25"
        )
    database = re.split(r"[?#]", after, maxsplit=1)[0].rstrip("/")
    places = _authorities(authority.rpartition("@")[2])
    return tuple(address_key(parse_shard_url(f"{scheme}://{place}{database}")) for place in places)


def address_key(address: ShardAddress) -> str:
    """Return the text by which addresses of the same server are equal.

    That is `host:port` or the path of the socket: with TLS or without, and for each notation of an
    IPv6 address.
    """
    if ":" not in address.host:
        return address.path or host_port(address.host.removesuffix("."), address.port)
    ip, percent, zone = address.host.partition("%")
    return host_port(f"{IPv6Address(ip).compressed}{percent}{zone}", address.port)


def _authorities(place: str) -> list[str]:
    """Return what `host:port` may mean where it is an IPv6 address without brackets."""
    if place.startswith("[") or place.count(":") < 2:
        return [place.removesuffix(":")]
    host, _, port = place.rpartition(":")
    found = [f"[{place}]"] if _is_ipv6(place) else []
    if _is_ipv6(host) and port.isdecimal():
        found.append(f"[{host}]:{port}")
    return found or [place]


def _is_ipv6(text: str) -> bool:
    ip, _, zone = text.partition("%")
    try:
        IPv6Address(ip)
    except ValueError:
        return False
    return ":" not in zone
