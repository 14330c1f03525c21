"""Health endpoints: liveness and readiness."""

from __future__ import annotations

import falcon

from zinfo.adapters.http.responses import set_json
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import ShardState


class Health:
    """`/healthz`: responds as long as the event loop runs."""

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Respond with status 200."""
        set_json(response, {"status": "ok"})


class Readiness:
    """`/readyz`: responds with 200 once each shard has been polled.

    It then stays ready: a shard that is down, or one that is added later, does not affect the
    replies about other shards.

    Args:
        publisher: the live shards.
    """

    def __init__(self, publisher: ShardPublisher) -> None:
        self._publisher = publisher
        self._ready = False

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Respond with 200, or with 503 and the number of shards that have not been polled."""
        waiting = 0
        if not self._ready:
            waiting = sum(
                shard.state is ShardState.NEW for shard in self._publisher.get_live_shards()
            )
            self._ready = not waiting
        if not self._ready:
            response.status = falcon.HTTP_503
        set_json(response, {"status": "ready" if self._ready else "starting", "waiting": waiting})
