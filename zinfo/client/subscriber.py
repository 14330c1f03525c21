"""Subscriber: the updates of the bus, one after the other."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from types import TracebackType

from zinfo.client.endpoints import checked
from zinfo.client.sockets import Context, Sockets, clock
from zinfo.client.stream_state import StreamState
from zinfo.client.updates import Update
from zinfo.curve import ClientKeys
from zinfo.errors import NoAnswerError, ProtocolError
from zinfo.protocol import DEFAULT_QUERY_ENDPOINT, KIND_DELTA, KIND_EVENT

_LONGEST_WAIT = 1.0  # seconds; a bound for the case that a wake-up is missed
_BATCH = 200  # messages taken from the socket at once


class Subscriber:
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
        if isinstance(shards, str) or isinstance(kinds, str):
            raise TypeError("shards and kinds take several texts, not one")
        if endpoint is None and bus is None:
            endpoint = DEFAULT_QUERY_ENDPOINT
        self._state = StreamState(
            endpoint and checked(endpoint), bus=bus and checked(bus), shards=shards, kinds=kinds
        )
        self._sockets = Sockets(context, keys)
        self._closed = False
        try:
            self._join(timeout, endpoint or bus)
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

    @property
    def malformed(self) -> int:
        """Messages so far that could not be read; each is missing, and told as a Gap."""
        return self._state.malformed

    @property
    def stale(self) -> bool:
        """Whether the last of `Stale` was not followed by a new connection yet."""
        return not self._state.link.reliable(self._state.link.heard_at)

    def recv(self, timeout: float | None = None) -> Update | None:
        """Return the next update.

        Args:
            timeout: seconds to wait for one; None waits on.

        Returns:
            The update; None where none came in time.
        """
        deadline = None if timeout is None else clock() + timeout
        while not self._state.updates:
            if self._closed:
                raise ValueError("this Subscriber is closed")
            if self._take() == _BATCH or self._state.updates:
                continue
            self._state.tick(clock())
            self._act()
            if self._state.updates:
                break
            now = clock()
            if deadline is not None and now >= deadline:
                return None
            ends = [self._state.link.deadline(), now + _LONGEST_WAIT]
            self._sockets.wait(min(ends if deadline is None else [*ends, deadline]) - now)
        return self._state.updates.popleft()

    def close(self) -> None:
        """Close the sockets; what was received and not asked for is gone."""
        self._closed = True
        self._state.updates.clear()
        self._sockets.close()

    # --- within

    def _join(self, timeout: float, where: str | None) -> None:
        state, deadline = self._state, clock() + timeout
        while not state.link.joins:
            now = clock()
            if now >= deadline:
                raise NoAnswerError(
                    f"no answer from {where} within {timeout:g} s ({state.link.problem}): "
                    "is `zinfo serve` running there?"
                )
            state.tick(now)
            self._act()
            self._sockets.wait(min(state.link.deadline(), deadline) - now)
            self._take()

    def _take(self) -> int:
        """Take what has come from the sockets; returns how many messages of the bus.

        Only when none is left may silence be judged: the consumer may have been busy elsewhere.
        """
        state, taken = self._state, 0
        for frames in self._sockets.bus_messages(_BATCH):
            taken += 1
            state.on_bus(frames, clock())
            self._act()
        for frames in self._sockets.replies():
            state.on_reply(frames, clock())
            self._act()
        return taken

    def _act(self) -> None:
        state = self._state
        while state.link.actions:
            try:
                self._sockets.perform(state.link.actions.pop(0))
            except ProtocolError as error:
                state.link.actions.clear()
                state.link.lose(clock(), str(error))
