"""`/metrics` and `/scrape`: the cache in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Iterator

import falcon
import gevent.lock

from zinfo.adapters.http.auth import acquire_quota, require_operation
from zinfo.adapters.http.bodies import set_pieces
from zinfo.adapters.http.scrape_targets import ScrapeTargets
from zinfo.adapters.wsgi.client_quotas import ClientQuotas
from zinfo.health.stats import HttpStats
from zinfo.loop.yielding import CooperativeYield
from zinfo.metrics.formats import TEXT
from zinfo.metrics.scrape import Scrape
from zinfo.metrics.selection import Selection
from zinfo.metrics.self_metrics import SelfMetrics
from zinfo.metrics.shard_metrics import add_shard
from zinfo.security.rights import Rights
from zinfo.shards.registry import ShardPublisher

_MAX_SCRAPES = 16  # scrapes that are queued, being generated or being sent
_WAIT_SECONDS = 10.0  # maximum time in the queue


class Metrics:
    """`/metrics`: the metrics of all shards, and of zinfo itself.

    Args:
        publisher: the live shards.
        selection: which metrics and labels are exposed.
        self_metrics: zinfo's own metrics.
        stats: counts the samples over the limit.
    """

    def __init__(
        self,
        publisher: ShardPublisher,
        selection: Selection,
        self_metrics: SelfMetrics,
        stats: HttpStats,
    ) -> None:
        self._publisher = publisher
        self._selection = selection
        self._self_metrics = self_metrics
        self._stats = stats
        # A scrape of a thousand shards takes half a second and 25 MB: one at a time is enough.
        self._lock = gevent.lock.BoundedSemaphore(1)
        # A scrape occupies memory until the client has read it.
        self._quotas = ClientQuotas(_MAX_SCRAPES)

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Respond with all metrics."""
        rights = require_operation(request, "get_infos")
        release = acquire_quota(self._quotas, request, "scrapes")
        try:
            pieces = self._pieces(rights)
        except BaseException:
            release()
            raise
        set_pieces(request, response, pieces, TEXT.content_type, release)

    def _pieces(self, rights: Rights) -> list[bytes]:
        if not self._lock.acquire(timeout=_WAIT_SECONDS):
            raise falcon.HTTPServiceUnavailable(
                description=f"other scrapes did not end within {_WAIT_SECONDS:g} s", retry_after=10
            )
        try:
            yielder = CooperativeYield(low_priority=True)
            scrape = Scrape(self._selection, yielder.maybe_yield)
            for shard in self._publisher.get_live_shards():
                if rights.can_see(shard.id):
                    yielder.maybe_yield()
                    add_shard(scrape, self._selection, shard, rights, instance=True)
            self._stats.count_cut(scrape.cut)
            return list(_joined(scrape, self._self_metrics if rights.can_call("stats") else None))
        finally:
            self._lock.release()


class ShardMetrics:
    """`/scrape?target=...`: the metrics of one shard, without a label `instance`.

    That is the form in which redis_exporter exposes them.

    Args:
        publisher: the live shards.
        selection: which metrics and labels are exposed.
        stats: counts the samples over the limit.
    """

    def __init__(self, publisher: ShardPublisher, selection: Selection, stats: HttpStats) -> None:
        self._targets = ScrapeTargets(publisher)
        self._selection = selection
        self._stats = stats

    def on_get(self, request: falcon.Request, response: falcon.Response) -> None:
        """Respond with one shard's metrics."""
        rights = require_operation(request, "get_infos")
        shard = self._targets.find(request.get_param("target", default=""), rights)
        scrape = Scrape(self._selection, CooperativeYield(low_priority=True).maybe_yield)
        add_shard(scrape, self._selection, shard, rights, instance=False)
        self._stats.count_cut(scrape.cut)
        set_pieces(request, response, list(scrape.pieces()), TEXT.content_type)


def _joined(scrape: Scrape, self_metrics: SelfMetrics | None) -> Iterator[bytes]:
    yielder = CooperativeYield(low_priority=True)
    for piece in scrape.pieces():
        yielder.maybe_yield()
        yield piece
    if self_metrics is not None:
        yield self_metrics.text()
