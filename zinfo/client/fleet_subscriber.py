"""FleetSubscriber: iterates over the updates of several daemons that share the shards."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Mapping

import zmq

from zinfo.client.closing import Closing
from zinfo.client.fleet_endpoints import RESOLVE_INTERVAL, RETRY_INTERVAL
from zinfo.client.fleet_subscriber_base import FleetSubscriberBase
from zinfo.client.fleet_updates import FleetUpdate
from zinfo.client.former_names import chosen_ids
from zinfo.client.mirror_base import FAILURE_PAUSE
from zinfo.client.sockets import Context, clock, wait
from zinfo.wire.bus_messages import KIND_DELTA, KIND_EVENT
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT

_CLOSE_TIMEOUT = 5.0  # seconds to wait for the thread


class FleetSubscriber(FleetSubscriberBase, Closing):
    """Iterates over what several daemons publish, one copy of each shard. A context manager.

    For each shard it follows the copy at one daemon, and gives `Changeover` and `Snapshot` when it
    begins to. Then each `Delta` after this Snapshot comes, and each `Event` of the shard.
    When the daemon is silent, has started again or does not have the shard any more, or when a
    message of the shard was lost, and another daemon has a current copy, that one is followed:
    again a Changeover and a Snapshot come. The base of a Delta is always the revision that was
    given last, so revisions of two daemons, or of two runs of one, are never mixed.

    Each change is given at least once, and what is uncertain is said:

    - `StaleShards`: no daemon has a current copy of these shards. When one has, a Snapshot comes.
    - `MissingSlices`: so many daemons are silent that shards may exist of which nothing comes.
    - `Gap`: messages of a shard were lost, also because the consumer is slow. After one of kind
      "delta", a Snapshot comes; after one of kind "event", state and labels come as events with
      number 0. A Gap with the shard "" is about events of the daemons themselves.

    An event may come twice when a shard changes over. The other way round it is not lost: events
    that the former daemon may not have reported are given, or a Gap.

    A thread receives, and holds a copy of all shards of each daemon, as a Mirror does. While the
    consumer is busy, up to 10,000 updates wait. Above that, deltas and events are dropped, which is
    reported as a Gap. A Snapshot always has the newest INFO.

    Args:
        endpoints: the query endpoint of each daemon; one is valid. `dns+tcp://NAME:PORT` stands for
            all A and AAAA records of a name, which is looked up every 30 seconds, in a thread.
        shard_ids: ids of the wanted shards, which need not exist yet; empty for all.
        kinds: "delta" (what each poll changed) or "info" (the whole INFO instead, of the newest
            poll when the consumer is ready for it); "event" (lifecycle).
        labels: labels that a wanted shard has; None for any.
        fields: names of the wanted fields; None for all. A poll that changed none of them gives no
            Delta.
        context: creates the sockets; a `zmq.green.Context` in a process patched by gevent. None for
            the process's default context.
        timeout: seconds in which the first copies of all shards have to be received. Afterwards,
            the constructor returns nevertheless if any daemon has answered.
        keys: CURVE keys (`ClientKeys.read`); None for daemons without CURVE.
        shards: the former name of `shard_ids`.

    Raises:
        ConfigError: an endpoint is invalid.
        ValueError: a kind is unknown, or there is none.
        NoAnswerError: no daemon has answered in time.
    """

    def __init__(
        self,
        endpoints: str | Collection[str] = DEFAULT_QUERY_ENDPOINT,
        *,
        shard_ids: Collection[str] = (),
        kinds: Collection[str] = (KIND_DELTA, KIND_EVENT),
        labels: Mapping[str, str] | None = None,
        fields: Collection[str] | None = None,
        context: Context | None = None,
        timeout: float = 5.0,
        keys: ClientKeys | None = None,
        shards: Collection[str] | None = None,
    ) -> None:
        super().__init__(
            endpoints,
            shards=chosen_ids(shard_ids, shards, "shards"),
            kinds=kinds,
            labels=labels,
            fields=fields,
            context=context,
            timeout=timeout,
            keys=keys,
        )
        self._changed = threading.Condition(self._lock)
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="zinfo-fleet", daemon=True)
        self._thread.start()
        if self._fleet.names:
            threading.Thread(target=self._follow_names, name="zinfo-names", daemon=True).start()
        try:
            self._wait_ready(clock() + timeout)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[FleetUpdate]:
        while not self._closing:
            update = self._receive(None)
            if update is not None:
                yield update

    def recv(self, timeout: float | None = None) -> FleetUpdate | None:
        """Return the next update.

        Args:
            timeout: seconds to wait for one; None for no limit.

        Returns:
            The update; None if none came in time.

        Raises:
            ValueError: this FleetSubscriber is closed.
        """
        self._check_open()
        update = self._receive(timeout)
        self._check_open()
        return update

    def close(self) -> None:
        """Stop the thread, close the sockets, and drop the updates that were not yet returned."""
        self._closing = True
        self._ending.set()
        with self._lock:
            self._notify()
        if self._thread is not threading.current_thread():
            self._thread.join(_CLOSE_TIMEOUT)

    # --- waiting

    def _wait_ready(self, deadline: float) -> None:
        with self._lock:
            while not self._is_ready(deadline):
                self._changed.wait(max(0.0, deadline - clock()))
                self._check_open()

    def _receive(self, timeout: float | None) -> FleetUpdate | None:
        """Return the next update; None where none came in time, or this was closed."""
        deadline = None if timeout is None else clock() + timeout
        with self._lock:
            while not self._closing:
                update = self._next()
                left = None if deadline is None else deadline - clock()
                if update is not None or (left is not None and left <= 0):
                    return update
                self._changed.wait(left)
        return None

    def _notify(self) -> None:
        self._changed.notify_all()

    # --- the threads

    def _run(self) -> None:
        try:
            while not self._closing:
                try:
                    seconds = self._begin_iteration()
                    wait(self._sockets(), seconds)
                    self._end_iteration()
                except zmq.ContextTerminated:
                    return
                except Exception as error:
                    self._on_failure(error)
                    time.sleep(FAILURE_PAUSE)
        finally:
            self._stop()

    def _follow_names(self) -> None:
        """Look the names up, again and again."""
        while not self._closing:
            began = clock()
            for name in self._fleet.names:
                self._look_up(name)
            self._looked_up = True
            interval = RETRY_INTERVAL if self._fleet.unresolved else RESOLVE_INTERVAL
            self._ending.wait(max(0.0, began + interval - clock()))
