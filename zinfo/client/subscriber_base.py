"""The part of a Subscriber that does not wait: its state, its sockets, and what passes between.

Both flavours are this, and a way of waiting: told by `_joining` and `_look` for how long at most.
"""

from __future__ import annotations

from collections.abc import Collection

from zinfo.client.endpoints import checked_or_none
from zinfo.client.sockets import Context, Sockets, clock
from zinfo.client.subscriber_state import StreamState
from zinfo.client.updates import Update
from zinfo.errors import NoAnswerError, ProtocolError
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT

_LONGEST_WAIT = 1.0  # seconds; a bound for the case that a wake-up is missed
_BATCH = 200  # messages taken from the socket at once


class Stream:
    """What the bus brings, taken without waiting.

    Args:
        endpoint: the daemon's query endpoint, which tells the bus.
        bus: the bus endpoint.
        shards: ids of the shards of interest; empty for all.
        kinds: of messages.
        context: makes the sockets.
        timeout: seconds to wait for the daemon.
        keys: by which client and daemon know each other.
    """

    def __init__(
        self,
        endpoint: str | None,
        *,
        bus: str | None,
        shards: Collection[str],
        kinds: Collection[str],
        context: Context | None,
        timeout: float,
        keys: ClientKeys | None,
    ) -> None:
        if isinstance(shards, str) or isinstance(kinds, str):
            raise TypeError("shards and kinds take several texts, not one")
        if endpoint is None and bus is None:
            endpoint = DEFAULT_QUERY_ENDPOINT
        self._state = StreamState(
            checked_or_none(endpoint), bus=checked_or_none(bus), shards=shards, kinds=kinds
        )
        self._where = endpoint or bus
        self._timeout = timeout
        self._sockets = Sockets(context, keys)
        self._closed = False

    @property
    def malformed(self) -> int:
        """Messages so far that could not be read; each is missing, and told as a Gap."""
        return self._state.malformed

    @property
    def stale(self) -> bool:
        """Whether the last of `Stale` was not followed by a new connection yet."""
        return not self._state.link.reliable(self._state.link.heard_at)

    def _end(self) -> None:
        """Close the sockets; what was received and not asked for is gone."""
        self._closed = True
        self._state.updates.clear()
        self._sockets.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("this Subscriber is closed")

    def _joining(self, deadline: float) -> float | None:
        """Go on with joining the bus.

        Returns:
            Seconds to wait until more can be done; None when it is joined.

        Raises:
            NoAnswerError: it is not, and the deadline has passed.
            NotAllowedError: it is, but this client may not have all that it subscribed.
        """
        self._take()
        self._raise_refusal()
        state, now = self._state, clock()
        if state.link.joins:
            return None
        if now >= deadline:
            raise NoAnswerError(
                f"no answer from {self._where} within {self._timeout:g} s "
                f"({state.link.problem}): is `zinfo serve` running there?"
            )
        state.tick(now)
        self._act()
        return min(state.link.deadline(), deadline) - now

    def _look(self, deadline: float | None) -> float | None:
        """Look for an update.

        Args:
            deadline: local clock until when one is wanted; None waits on.

        Returns:
            Seconds to wait before the next look; None when there is an update, or it is too late.

        Raises:
            NotAllowedError: this client may not have all that it subscribed any more; once.
        """
        state = self._state
        if state.updates:
            return None
        taken = self._take()
        if state.updates:
            return None
        self._raise_refusal()
        if taken == _BATCH:
            return 0.0  # only when none is left may silence be judged
        state.tick(clock())
        self._act()
        now = clock()
        if state.updates or (deadline is not None and now >= deadline):
            return None
        ends = [state.link.deadline(), now + _LONGEST_WAIT]
        return min(ends if deadline is None else [*ends, deadline]) - now

    def _raise_refusal(self) -> None:
        refusal, self._state.refusal = self._state.refusal, None
        if refusal is not None:
            raise refusal

    def _next(self) -> Update | None:
        """Return the oldest update that was not told yet; None where there is none."""
        return self._state.updates.popleft() if self._state.updates else None

    def _take(self) -> int:
        """Take what has come from the sockets; returns how many messages of the bus."""
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
