"""Reads what Sentinels reply: primaries, replicas, and other Sentinels. Pure.

SENTINEL MASTERS, REPLICAS and SENTINELS each give an array with an array of names and values for
each server: addReplySentinelRedisInstance in sentinel.c. Nothing in them is to be trusted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from zinfo.discovery.nested_reply import Reply
from zinfo.errors import SourceError

MAX_NAME = 256
"""Maximum number of characters of the name of a primary."""

_MAX_VALUE = 256  # bytes of a value that is read
_FIELDS = frozenset((b"name", b"ip", b"port", b"runid", b"config-epoch", b"num-slaves"))
_RUN_ID = re.compile(r"[0-9a-f]{40}")


class Instance(NamedTuple):
    """A server as a Sentinel describes it.

    Attributes:
        name: of a primary, its name in the configuration of Sentinels.
        host: IP address, or a name if the Sentinel announces names; may be "".
        port: TCP port; 0 if it is not valid.
        run_id: of a Sentinel its id, which stays after a restart; "" if it is not known.
        config_epoch: number of the failover that made a server the primary.
        has_replicas: whether a primary has, or may have, replicas.
    """

    name: str
    host: str
    port: int
    run_id: str = ""
    config_epoch: int = 0
    has_replicas: bool = True


def read_instances(reply: Reply, pause: Callable[[], None]) -> list[Instance]:
    """Return the servers in a reply, in its order; entries that describe none are left out.

    Args:
        reply: the reply to SENTINEL MASTERS, REPLICAS or SENTINELS.
        pause: called after each entry.

    Raises:
        SourceError: it is not an array.
    """
    if not isinstance(reply, list):
        raise SourceError("the reply is not that of a Sentinel")
    found: list[Instance] = []
    for entry in reply:
        if isinstance(entry, list) and (instance := _instance(_fields(entry))) is not None:
            found.append(instance)
        pause()
    return found


def read_run_id(reply: Reply) -> str:
    """Return the id of a Sentinel, from the reply to SENTINEL MYID; "" if it is none."""
    return _run_id(reply.decode("ascii", "replace")) if isinstance(reply, bytes) else ""


def _fields(entry: list[Reply]) -> dict[bytes, str]:
    fields: dict[bytes, str] = {}
    for name, value in zip(entry[::2], entry[1::2], strict=False):
        if not isinstance(name, bytes) or not isinstance(value, bytes) or name not in _FIELDS:
            continue
        if len(value) <= _MAX_VALUE:
            fields.setdefault(name, value.decode("utf-8", "replace"))
    return fields


def _instance(fields: Mapping[bytes, str]) -> Instance | None:
    if not {b"name", b"ip", b"port"} <= fields.keys():
        return None
    return Instance(
        fields[b"name"],
        fields[b"ip"],
        _number(fields[b"port"], 5),
        _run_id(fields.get(b"runid", "")),
        _number(fields.get(b"config-epoch", ""), 20),
        fields.get(b"num-slaves") != "0",
    )


def _number(text: str, max_digits: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= max_digits else 0


def _run_id(text: str) -> str:
    return text if _RUN_ID.fullmatch(text) else ""
