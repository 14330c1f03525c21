"""What a source of shards lists: candidates, targets, and what was skipped. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Candidate(NamedTuple):
    """A server as a source lists it, before the rules of its `[[sources]]` table.

    Attributes:
        host: name or IP address, without brackets; "" for a Unix socket.
        port: TCP port; 0 for a Unix socket.
        path: path of a Unix socket; "" for TCP.
        scheme: `redis` or `rediss`; ignored for a Unix socket.
        labels: labels that the source sets, including those whose names begin with `__`.
        ident: id that the source sets; "" if it sets none.
        credentials: name of credentials that the source sets; "" if it sets none.
    """

    host: str
    port: int
    path: str = ""
    scheme: str = "redis"
    labels: Mapping[str, str] = _NOTHING
    ident: str = ""
    credentials: str = ""


class Target(NamedTuple):
    """A shard that a source lists; its id is the key in the answer.

    Attributes:
        url: redis://host:port, rediss://host:port (TLS) or unix:///path. That of a source in the
            configuration has no user, password and database, as `ShardAddress.url`.
        labels: labels of the shard.
        credentials: name of a `[credentials.NAME]` table of the configuration; "" for none.
    """

    url: str
    labels: Mapping[str, str] = _NOTHING
    credentials: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one successful read of a source gave.

    Attributes:
        targets: the targets by shard id.
        skipped: number of skipped candidates by reason; a reason contains no secret.
        notes: remarks about parts of the source, such as a seed that does not reply.
        incomplete: whether a part of the source could not be read and is not known from before: a
            file that was not readable since the start, a name that was not resolved. Shards that an
            incomplete answer lacks are not missing; it adds and changes shards only.
    """

    targets: Mapping[str, Target]
    skipped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    incomplete: bool = False
