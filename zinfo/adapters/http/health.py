"""Whether zinfo lives, and whether it knows the shards yet."""

from __future__ import annotations

import falcon

from zinfo.adapters.http.responses import put
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import ShardState


class Health:
    """`/healthz`: answers as long as the event loop turns."""

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Answer 200."""
        put(response, {"status": "ok"})


class Readiness:
    """`/readyz`: answers 200 once every shard that was known at first has been asked.

    From then on it stays so: that a shard is down, or new, makes zinfo's answers no less true.

    Args:
        publisher: the live shards.
    """

    def __init__(self, publisher: ShardPublisher) -> None:
        self._publisher = publisher
        self._ready = False

    def on_get(self, _request: falcon.Request, response: falcon.Response) -> None:
        """Answer 200, or 503 with the number of shards that have not been asked."""
        waiting = 0
        if not self._ready:
            waiting = sum(
                shard.state is ShardState.NEW for shard in self._publisher.get_live_shards()
            )
            self._ready = not waiting
        if not self._ready:
            response.status = falcon.HTTP_503
        put(response, {"status": "ready" if self._ready else "starting", "waiting": waiting})
