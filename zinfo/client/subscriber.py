"""Subscriber: iterates over the updates of a daemon's bus."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from zinfo.client.closing import Closing
from zinfo.client.former_names import chosen_ids
from zinfo.client.sockets import Context, clock
from zinfo.client.subscriber_base import SubscriberBase
from zinfo.client.updates import Update
from zinfo.wire.bus_messages import KIND_DELTA, KIND_EVENT
from zinfo.wire.curve_keys import ClientKeys


class Subscriber(SubscriberBase, Closing):
    """Iterates over what the daemon publishes: `Snapshot`, `Delta`, `Event`, `Heartbeat`.

    It is a context manager: leaving it closes the sockets.

    Losses and interruptions are reported in the same sequence, at the place where they occurred:

    - `Gap`: messages are missing, of one shard or (shard None) of any. A consumer that stores the
      updates has to request a snapshot now.
    - `Stale`: no heartbeat came for three heartbeat intervals, or the connection was reset for
      another reason. The bus is joined again, as often as needed, and updates continue. A Gap or
      Restart follows where messages were missed or may have been.
    - `Restart`: another daemon, or the same one started again.

    With `shard_ids`, only the next message of the same kind about a shard shows that the one before
    it was lost. So if the last event of a shard is lost, there is no Gap before its next event,
    which may come much later. A Subscriber to all shards finds such a loss with the next heartbeat.

    Messages are queued in this process while the consumer is busy, up to a bound: 10,000 messages,
    or 1,000 where the daemon sends all deltas in batches (of some ten deltas and 16 KiB each). Then
    the daemon queues. Messages dropped above its bound are reported as a Gap. The subscriptions are
    in place when the constructor returns, so that everything published later is received.

    A Subscriber belongs to one thread, and like a socket does not survive a fork.

    Args:
        endpoint: the daemon's query endpoint, which reports the bus endpoint.
        bus: the bus endpoint. If it is given without `endpoint`, no query endpoint is used.
        shard_ids: ids of the wanted shards, which need not exist yet; empty for all.
        kinds: any of "info" (the whole INFO of each poll), "delta" (what each poll changed),
            "event" (lifecycle), "hb" (heartbeats).
        context: creates the sockets; a `zmq.green.Context` in a process patched by gevent. None for
            the process's default context.
        keys: CURVE keys (`ClientKeys.read`); None for a daemon without CURVE.
        timeout: seconds in which the bus has to be joined.
        shards: the former name of `shard_ids`.

    Raises:
        ConfigError: an endpoint is invalid.
        ValueError: a kind is unknown, or there is none.
        NoAnswerError: the bus could not be joined in time.
        NotAllowedError: the daemon refused some of the topics, which the message names. `recv` and
            the iteration raise it too, once, when rights are revoked later; messages of the other
            topics continue to arrive.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        bus: str | None = None,
        shard_ids: Collection[str] = (),
        kinds: Collection[str] = (KIND_DELTA, KIND_EVENT),
        context: Context | None = None,
        timeout: float = 5.0,
        keys: ClientKeys | None = None,
        shards: Collection[str] | None = None,
    ) -> None:
        super().__init__(
            endpoint,
            bus=bus,
            shards=chosen_ids(shard_ids, shards, "shards"),
            kinds=kinds,
            context=context,
            timeout=timeout,
            keys=keys,
        )
        deadline = clock() + timeout
        try:
            while (seconds := self._try_join(deadline)) is not None:
                self._sockets.wait(seconds)
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[Update]:
        while not self._closed:
            update = self.recv()
            if update is not None:
                yield update

    def recv(self, timeout: float | None = None) -> Update | None:
        """Return the next update.

        Args:
            timeout: seconds to wait for one; None for no limit.

        Returns:
            The update; None if none came in time.

        Raises:
            NotAllowedError: the daemon refuses some of the topics from now on; raised once.
            ValueError: this Subscriber is closed.
        """
        deadline = None if timeout is None else clock() + timeout
        self._check_open()
        while (seconds := self._try_receive(deadline)) is not None:
            self._sockets.wait(seconds)
            self._check_open()
        return self._next()

    def close(self) -> None:
        """Close the sockets, and drop the updates that were received and not yet returned."""
        self._close()
