"""Mirror: a live copy of a daemon's shards in this process, kept by a thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection
from types import TracebackType

import zmq

from zinfo.client.mirror_base import FAILURE_PAUSE, Holding, Listener
from zinfo.client.sockets import Context, clock
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT

_LONGEST_WAIT = 0.2  # seconds until a call of close() is noticed
_CLOSE_TIMEOUT = 5.0  # seconds to wait for the thread; a listener may keep it


class Mirror(Holding):
    """A live copy of all or some shards of a daemon: field to value, by shard id.

    A thread of its own joins the bus, takes a snapshot and applies what changes. Losses are noticed
    (see `zinfo.client.mirror_state`) and mended without help: lost messages, a cut connection, a
    daemon that was restarted or stopped, this process itself having been stopped.

    What is *fresh*: the copy, labels included, is exactly what the daemon held at its revision, no
    sign of a lost message is unsettled, and a heartbeat came within the last three heartbeat
    intervals of this very moment. So it lags behind the daemon by at most that, and a lost message
    of which nothing else tells is noticed with the next heartbeat. Anything else is *stale*: still
    there to read, but perhaps not current. `stale` speaks of all shards together, and of which
    shards there are; `stale_shards` and `view(id).fresh` of single ones. A shard that the daemon
    cannot reach is fresh: its INFO is the newest there is; its state says down, and its age grows.

    What is read is the caller's own copy. A shard that was never polled has an empty INFO. Reading
    is safe from any thread.

    Args:
        endpoint: the daemon's query endpoint.
        shards: ids of the shards to hold, whether they exist yet or not; None for all.
        bus: the bus endpoint, where it is reached by another than the daemon tells.
        context: makes the sockets; a `zmq.green.Context` in a process patched by gevent, where the
            thread is then a greenlet. None for this process's own.
        on_change: called as by `on_change()`, from the first change on.
        keys: by which client and daemon know each other (`ClientKeys.read`); None where the daemon
            asks for none.

    Raises:
        ConfigError: an endpoint that is none.

    Attributes:
        callback_errors: exceptions that listeners raised.
    """

    def __init__(
        self,
        endpoint: str = DEFAULT_QUERY_ENDPOINT,
        *,
        shards: Collection[str] | None = None,
        bus: str | None = None,
        context: Context | None = None,
        on_change: Listener | None = None,
        keys: ClientKeys | None = None,
    ) -> None:
        super().__init__(
            endpoint, shards=shards, bus=bus, context=context, on_change=on_change, keys=keys
        )
        self._news = threading.Condition(self._lock)
        self._thread = threading.Thread(target=self._run, name="zinfo-mirror", daemon=True)
        self._thread.start()

    def __enter__(self) -> Mirror:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def wait_ready(self, timeout: float = 10.0) -> None:
        """Wait until nothing is stale: all shards are held and current.

        Args:
            timeout: seconds.

        Raises:
            NoAnswerError: that did not come about in time; the message says what is known of why.
        """
        deadline = clock() + timeout
        with self._lock:
            while self._state.stale(clock()):
                left = deadline - clock()
                if left <= 0 or self._closing:
                    raise self._not_ready(timeout)
                self._news.wait(left)

    def close(self) -> None:
        """End the thread and close its sockets. What is held stays readable, as stale."""
        self._closing = True
        if self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_TIMEOUT)

    # --- the thread

    def _run(self) -> None:
        try:
            while not self._closing:
                try:
                    self._sockets.wait(min(self._begin_round(), _LONGEST_WAIT))
                    self._end_round()
                except zmq.ContextTerminated:
                    return
                except Exception as error:
                    self._failed(error)
                    time.sleep(FAILURE_PAUSE)
        finally:
            self._ended()

    def _moved(self) -> None:
        self._news.notify_all()
