"""`/metrics` and `/scrape`: the cache in Prometheus' text format."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import falcon
import gevent
import gevent.lock

from zinfo.adapters.http.auth import require, take_share
from zinfo.adapters.wsgi.client_shares import Held, Shares
from zinfo.health.stats import HttpStats
from zinfo.loop.yielding import CooperativeYield
from zinfo.metrics.scrape import CONTENT_TYPE, Scrape
from zinfo.metrics.selection import Selection
from zinfo.metrics.self_metrics import OwnMetrics
from zinfo.metrics.shard_metrics import add_shard
from zinfo.security.rights import Rights
from zinfo.shards.registry import ShardPublisher

_MOST_SCRAPES = 16  # that are made, wait for that, or are sent
_WAIT_SECONDS = 10.0  # for other scrapes to end
_GZIP_TAKEN = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
_GZIP = 16 + zlib.MAX_WBITS  # zlib's way to say gzip
_LEVEL = 1  # text this repetitive gets a tenth of its size anyhow


class Metrics:
    """`/metrics`: all shards, and zinfo itself.

    Args:
        publisher: the live shards.
        selection: what of them is told.
        own: zinfo's own metrics.
        stats: counts what is left out.
    """

    def __init__(
        self, publisher: ShardPublisher, selection: Selection, own: OwnMetrics, stats: HttpStats
    ) -> None:
        self._publisher = publisher
        self._selection = selection
        self._own = own
        self._stats = stats
        # A scrape of a thousand shards takes half a second and 25 MB: one at a time is enough.
        self._turn = gevent.lock.BoundedSemaphore(1)
        # Those that are not read yet take memory.
        self._shares = Shares(_MOST_SCRAPES)

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Answer with all metrics."""
        rights = require(request, "get_infos")
        give_back = take_share(self._shares, request, "scrapes")
        try:
            pieces = self._pieces(rights)
        except BaseException:
            give_back()
            raise
        _put(request, response, pieces, give_back)

    def _pieces(self, rights: Rights) -> list[bytes]:
        if not self._turn.acquire(timeout=_WAIT_SECONDS):
            raise falcon.HTTPServiceUnavailable(
                description="other scrapes take all the time", retry_after=10
            )
        try:
            yielder = CooperativeYield(low_priority=True)
            scrape = Scrape(self._selection, yielder.maybe_yield)
            for shard in self._publisher.get_live_shards():
                if rights.can_see(shard.id):
                    yielder.maybe_yield()
                    add_shard(scrape, self._selection, shard, rights, instance=True)
            self._stats.cut += scrape.cut
            return list(_joined(scrape, self._own if rights.can_call("stats") else None))
        finally:
            self._turn.release()


class OneShard:
    """`/scrape?target=...`: one shard, as redis_exporter gives it: without a label `instance`.

    Args:
        publisher: the live shards.
        selection: what of them is told.
        stats: counts what is left out.
    """

    def __init__(self, publisher: ShardPublisher, selection: Selection, stats: HttpStats) -> None:
        self._publisher = publisher
        self._selection = selection
        self._stats = stats

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Answer with one shard's metrics."""
        rights = require(request, "get_infos")
        target = request.get_param("target", default="")
        shard_id = target.partition("://")[2] if "://" in target else target
        shard = self._publisher.find_shard(shard_id) or self._publisher.find_shard(target)
        if shard is None or not rights.can_see(shard.id):
            raise falcon.HTTPNotFound(
                title="unknown shard",
                # The target is not repeated: redis_exporter takes passwords in it.
                description="no shard has the id in target; /api/v1/shards has all ids",
            )
        scrape = Scrape(self._selection, CooperativeYield(low_priority=True).maybe_yield)
        add_shard(scrape, self._selection, shard, rights, instance=False)
        self._stats.cut += scrape.cut
        _put(request, response, list(scrape.pieces()))


def _joined(scrape: Scrape, own: OwnMetrics | None) -> Iterator[bytes]:
    yielder = CooperativeYield(low_priority=True)
    for piece in scrape.pieces():
        yielder.maybe_yield()
        yield piece
    if own is not None:
        yield own.text()


def _put(
    request: falcon.Request,
    response: falcon.Response,
    pieces: list[bytes],
    give_back: Callable[[], None] | None = None,
) -> None:
    response.content_type = CONTENT_TYPE
    response.vary = ("Accept-Encoding",)
    body = iter(pieces)
    if _GZIP_TAKEN.search(request.get_header("Accept-Encoding") or ""):
        response.set_header("Content-Encoding", "gzip")
        body = _zipped(pieces)
    else:
        response.content_length = sum(map(len, pieces))
    response.stream = body if give_back is None else Held(body, give_back)


def _zipped(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Compress in another thread: polls go on meanwhile."""
    pool: Any = gevent.get_hub().threadpool
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    for piece in pieces:
        zipped: bytes = pool.apply(packer.compress, (piece,))
        if zipped:
            yield zipped
    yield pool.apply(packer.flush)
