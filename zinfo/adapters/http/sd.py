"""`/sd`: the live shards as targets, for the HTTP service discovery of Prometheus.

The format: https://prometheus.io/docs/prometheus/latest/http_sd/. Each target is the id of a shard,
which `/scrape?target=` takes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import falcon
import gevent.lock

from zinfo.adapters.http.auth import acquire_quota, require_operation
from zinfo.adapters.http.bodies import LongBodies
from zinfo.adapters.http.responses import JSON, encode
from zinfo.adapters.http.routes import SHARD_LABELS, parse_arguments
from zinfo.adapters.wsgi.client_quotas import ClientQuotas
from zinfo.loop.yielding import CooperativeYield
from zinfo.query.arguments import Arguments
from zinfo.query.servicer import has_labels
from zinfo.security.rights import Rights
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard
from zinfo.shards.source_status import SourceDirectory

OPERATION: Final = "sd"
"""Name of the right to read the path, among the `operations` of a client."""

ARGUMENTS: Final = {"labels": SHARD_LABELS}
"""Arguments of the path."""

_PREFIX: Final = "__meta_zinfo_"
_NOT_IN_LABELS: Final = re.compile("[^a-zA-Z0-9_]")  # as in Prometheus' own service discovery
_MAX_LISTS: Final = 16  # lists that are being generated or sent
_RETRY_SECONDS: Final = 5
_MAX_NAMES: Final = 10  # sources in an error
_PIECE_BYTES: Final = 1 << 16


class ServiceDiscovery:
    """`/sd`: all live shards that a client can see.

    Until each source of shards has been read, or has a stored answer, the response is an error:
    Prometheus then keeps its targets. It would drop those that are missing in a list.

    Args:
        publisher: the live shards.
        sources: the sources of shards.
        bodies: sets the bodies of responses.
    """

    def __init__(
        self, publisher: ShardPublisher, sources: SourceDirectory, bodies: LongBodies
    ) -> None:
        self._bodies = bodies
        self._publisher = publisher
        self._sources = sources
        self._quotas = ClientQuotas(_MAX_LISTS)
        self._lock = gevent.lock.BoundedSemaphore(1)

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Respond with the targets."""
        rights = require_operation(request, OPERATION)
        args = Arguments(parse_arguments(request.query_string, ARGUMENTS))
        labels = args.labels("labels")
        self._require_discovery(rights)
        release = acquire_quota(self._quotas, request, "lists of targets")
        try:
            with self._lock:  # memory for one list at a time is enough
                pieces = list(self._pieces(rights, labels))
            self._require_discovery(rights)  # SIGHUP may have added a source meanwhile
            self._bodies.set_pieces(request, response, pieces, JSON, release=release)
        except BaseException:
            release()
            raise

    def _require_discovery(self, rights: Rights) -> None:
        waiting = self._sources.waiting_sources()
        if not waiting:
            return
        text = f"waiting for the first answer of {len(waiting)} of the sources of shards"
        if rights.shards is None:
            text += f": {', '.join(waiting[:_MAX_NAMES])}{', ...' * (len(waiting) > _MAX_NAMES)}"
        raise falcon.HTTPServiceUnavailable(description=text, retry_after=_RETRY_SECONDS)

    def _pieces(self, rights: Rights, labels: dict[str, str]) -> Iterator[bytes]:
        yielder = CooperativeYield(low_priority=True)
        hidden = rights.hidden_attributes()
        piece = bytearray(b"[")
        separator = b""
        for shard_id in rights.visible_shards(self._publisher.sorted_shard_ids()):
            yielder.maybe_yield()
            shard = self._publisher.find_shard(shard_id)
            if shard is None or not has_labels(shard, labels):
                continue
            piece += separator
            piece += encode(target_group(shard, hidden))
            separator = b",\n"
            if len(piece) > _PIECE_BYTES:
                yield bytes(piece)
                piece.clear()
        yield bytes(piece + b"]\n")


def target_group(shard: RedisShard, hidden: frozenset[str] = frozenset()) -> dict[str, object]:
    """Return the group of targets that consists of one shard.

    Args:
        shard: the shard.
        hidden: those of `role` and `version` that are left out.
    """
    labels = {f"{_PREFIX}id": shard.id, f"{_PREFIX}state": shard.state.value}
    for name, value in (("role", shard.role), ("version", shard.version)):
        if value and name not in hidden:
            labels[_PREFIX + name] = value
    # Of names that become equal the first in alphabetical order counts, in each list.
    for name, value in sorted(shard.labels.items()):
        labels.setdefault(f"{_PREFIX}label_{_NOT_IN_LABELS.sub('_', name)}", value)
    return {"targets": [shard.id], "labels": labels}
