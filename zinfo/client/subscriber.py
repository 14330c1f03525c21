"""Subscriber: the updates of the bus, one after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from types import TracebackType

from zinfo.client.sockets import Context, clock
from zinfo.client.subscriber_base import Stream
from zinfo.client.updates import Update
from zinfo.wire.bus_messages import KIND_DELTA, KIND_EVENT
from zinfo.wire.curve_keys import ClientKeys


class Subscriber(Stream):
    """Iterates over what the daemon publishes: `Snapshot`, `Delta`, `Event`, `Heartbeat`.

    What cannot be relied on is told among them, in its place:

    - `Gap`: messages are missing, of one shard or (shard None) of any. Where the consumer keeps
      what it is told, it must ask for a snapshot now.
    - `Stale`: no heartbeat came for three heartbeat intervals, or the connection was given up for
      another reason. It is made again, as often as needed, and updates go on then; a Gap or Restart
      follows where something was missed or may have been.
    - `Restart`: another daemon, or the same one started again.

    Messages wait in this process while the consumer is busy, up to a bound; what is dropped over it
    is a Gap. The subscriptions stand when the constructor returns: what happens later is told.

    A Subscriber belongs to one thread, and like a socket does not survive a fork.

    Args:
        endpoint: the daemon's query endpoint, which tells the bus.
        bus: the bus endpoint. With it, no query endpoint is needed, nor asked; unless both are
            given.
        shards: ids of the shards of interest, whether they exist yet or not; empty for all.
        kinds: any of "info" (each INFO whole), "delta" (what each poll changed), "event"
            (lifecycle), "hb" (heartbeats).
        context: makes the sockets; a `zmq.green.Context` in a process patched by gevent. None for
            this process's own.
        keys: by which client and daemon know each other (`ClientKeys.read`); None where the daemon
            asks for none.
        timeout: seconds to wait for the daemon.

    Raises:
        ConfigError: an endpoint that is none.
        ValueError: an unknown kind, or none at all.
        NoAnswerError: the bus could not be joined in time.
        NotAllowedError: this client may not have all of it; the message names the topics. So may
            `recv` and the iteration do later, once, when rights are taken away meanwhile: what may
            be had still comes.
    """

    def __init__(
        self,
        endpoint: str | None = None,
        *,
        bus: str | None = None,
        shards: Collection[str] = (),
        kinds: Collection[str] = (KIND_DELTA, KIND_EVENT),
        context: Context | None = None,
        timeout: float = 5.0,
        keys: ClientKeys | None = None,
    ) -> None:
        super().__init__(
            endpoint,
            bus=bus,
            shards=shards,
            kinds=kinds,
            context=context,
            timeout=timeout,
            keys=keys,
        )
        deadline = clock() + timeout
        try:
            while (seconds := self._joining(deadline)) is not None:
                self._sockets.wait(seconds)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Subscriber:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Update]:
        while not self._closed:
            update = self.recv()
            if update is not None:
                yield update

    def recv(self, timeout: float | None = None) -> Update | None:
        """Return the next update.

        Args:
            timeout: seconds to wait for one; None waits on.

        Returns:
            The update; None where none came in time.
        """
        deadline = None if timeout is None else clock() + timeout
        self._check_open()
        while (seconds := self._look(deadline)) is not None:
            self._sockets.wait(seconds)
            self._check_open()
        return self._next()

    def close(self) -> None:
        """Close the sockets; what was received and not asked for is gone."""
        self._end()
