"""`/metrics` and `/scrape`: the cache in the text formats of Prometheus."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import falcon
import gevent.lock

from zinfo.adapters.http.auth import acquire_quota, require_operation
from zinfo.adapters.http.bodies import LongBodies
from zinfo.adapters.http.negotiation import text_format_of
from zinfo.adapters.http.scrape_targets import ScrapeTargets
from zinfo.adapters.wsgi.client_quotas import ClientQuotas
from zinfo.health.stats import HttpStats
from zinfo.loop.yielding import CooperativeYield
from zinfo.metrics.formats import TextFormat
from zinfo.metrics.scrape import Scrape
from zinfo.metrics.selection import Selection
from zinfo.metrics.self_metrics import SelfMetrics
from zinfo.metrics.shard_metrics import add_shards
from zinfo.security.rights import Rights
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard

_MAX_SCRAPES = 16  # scrapes that are queued, being generated or being sent
_WAIT_SECONDS = 10.0  # maximum time in the queue


class Metrics:
    """`/metrics`: the metrics of all shards, and of zinfo itself.

    Args:
        publisher: the live shards.
        selection: which metrics and labels are exposed.
        self_metrics: zinfo's own metrics.
        stats: counts the samples over the limit.
        bodies: sets the bodies of responses.
    """

    def __init__(
        self,
        publisher: ShardPublisher,
        selection: Selection,
        self_metrics: SelfMetrics,
        stats: HttpStats,
        bodies: LongBodies,
    ) -> None:
        self._publisher = publisher
        self._selection = selection
        self._self_metrics = self_metrics
        self._stats = stats
        self._bodies = bodies
        # The samples of ten thousand shards take 30 MB, so one scrape is made at a time.
        self._lock = gevent.lock.BoundedSemaphore(1)
        # A scrape occupies memory until the client has read it.
        self._quotas = ClientQuotas(_MAX_SCRAPES)

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Respond with all metrics."""
        rights = require_operation(request, "get_infos")
        text_format = _format_for(request)
        release = acquire_quota(self._quotas, request, "scrapes")
        try:
            with self._turn():
                scrape = self._scrape(rights)
                pieces = self._pieces(scrape, rights, text_format)
                _set_pieces(
                    self._bodies, request, response, pieces, text_format, scrape.size(), release
                )
        except BaseException:
            release()
            raise

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=_WAIT_SECONDS):
            raise falcon.HTTPServiceUnavailable(
                description=f"other scrapes did not end within {_WAIT_SECONDS:g} s", retry_after=10
            )
        try:
            yield
        finally:
            self._lock.release()

    def _scrape(self, rights: Rights) -> Scrape:
        yielder = CooperativeYield(low_priority=True)
        scrape = Scrape(self._selection, yielder.maybe_yield, rights)
        shards = self._visible_shards(rights, yielder)
        add_shards(scrape, self._selection, shards, rights, instance=True)
        self._stats.count_cut(scrape.cut)
        return scrape

    def _visible_shards(self, rights: Rights, yielder: CooperativeYield) -> Iterator[RedisShard]:
        for shard in self._publisher.get_live_shards():
            if rights.can_see(shard.id):
                yielder.maybe_yield()
                yield shard

    def _pieces(self, scrape: Scrape, rights: Rights, text_format: TextFormat) -> Iterator[bytes]:
        yielder = CooperativeYield(low_priority=True)
        for piece in scrape.pieces(text_format):
            yielder.maybe_yield()
            yield piece
        if rights.can_call("stats"):
            yield self._self_metrics.text(text_format)
        yield text_format.end


class ShardMetrics:
    """`/scrape?target=...`: the metrics of one shard, without a label `instance`.

    That is the form in which redis_exporter exposes them.

    Args:
        publisher: the live shards.
        selection: which metrics and labels are exposed.
        stats: counts the samples over the limit.
        bodies: sets the bodies of responses.
    """

    def __init__(
        self,
        publisher: ShardPublisher,
        selection: Selection,
        stats: HttpStats,
        bodies: LongBodies,
    ) -> None:
        self._targets = ScrapeTargets(publisher)
        self._selection = selection
        self._stats = stats
        self._bodies = bodies

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Respond with one shard's metrics."""
        rights = require_operation(request, "get_infos")
        text_format = _format_for(request)
        shard = self._targets.find(request.get_param("target", default=""), rights)
        scrape = Scrape(self._selection, CooperativeYield(low_priority=True).maybe_yield, rights)
        add_shards(scrape, self._selection, (shard,), rights, instance=False)
        self._stats.count_cut(scrape.cut)
        pieces = chain(scrape.pieces(text_format), (text_format.end,))
        _set_pieces(self._bodies, request, response, pieces, text_format)


def _format_for(request: falcon.Request) -> TextFormat:
    return text_format_of(request.get_header("Accept") or "")


def _set_pieces(
    bodies: LongBodies,
    request: falcon.Request,
    response: falcon.Response,
    pieces: Iterable[bytes],
    text_format: TextFormat,
    source_bytes: int | None = None,
    release: Callable[[], None] | None = None,
) -> None:
    bodies.set_pieces(
        request,
        response,
        pieces,
        text_format.content_type,
        vary=("Accept",),
        source_bytes=source_bytes,
        release=release,
    )
