"""Health endpoints: liveness and readiness."""

from __future__ import annotations

import falcon

from zinfo.adapters.http.responses import set_json
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import ShardState
from zinfo.shards.source_status import SourceDirectory

_MAX_NAMES = 100  # sources in a response


class Health:
    """`/healthz`: responds as long as the event loop runs."""

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Respond with status 200."""
        set_json(response, {"status": "ok"})


class Readiness:
    """`/readyz`: responds with 200 once each source and each shard has been read.

    Of a source, the stored answer of an earlier run counts, too.

    It then stays ready: a shard that is down, or one that is added later, does not affect the
    replies about other shards.

    Args:
        publisher: the live shards.
        sources: the sources of shards.
    """

    def __init__(self, publisher: ShardPublisher, sources: SourceDirectory) -> None:
        self._publisher = publisher
        self._sources = sources
        self._ready = False

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Respond with 200, or with 503 and what has not been read.

        That is the number of shards, and the names of sources.
        """
        waiting, sources = 0, list[str]()
        if not self._ready:
            waiting = self._publisher.count_states().get(ShardState.NEW.value, 0)
            sources = list(self._sources.waiting_sources()[:_MAX_NAMES])
            self._ready = not waiting and not sources
        if not self._ready:
            response.status = falcon.HTTP_503
        status = "ready" if self._ready else "starting"
        set_json(response, {"status": status, "waiting": waiting, "sources": sources})
