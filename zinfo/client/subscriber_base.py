"""What the blocking and the asyncio Subscriber have in common: everything but the waiting.

Each flavour calls `_try_join` until the bus is joined, then `_try_receive` for each update, and
waits for its sockets for at most the seconds that these return.
"""

from __future__ import annotations

from collections.abc import Collection

from zinfo.client.endpoints import checked_or_none
from zinfo.client.session_driver import BATCH, SessionDriver
from zinfo.client.sockets import Context, Sockets, clock
from zinfo.client.subscriber_state import SubscriberState
from zinfo.client.updates import Update
from zinfo.errors import NoAnswerError
from zinfo.wire.curve_keys import ClientKeys
from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT

_MAX_WAIT = 1.0  # seconds; a bound in case a wake-up is missed


class SubscriberBase:
    """The updates of a daemon's bus, received without waiting.

    Args:
        endpoint: the daemon's query endpoint.
        bus: the bus endpoint.
        shards: ids of the wanted shards; empty for all.
        kinds: of messages.
        context: creates the sockets.
        timeout: seconds in which the bus has to be joined.
        keys: CURVE keys.
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
            raise TypeError("shard_ids and kinds take several texts, not one")
        if endpoint is None and bus is None:
            endpoint = DEFAULT_QUERY_ENDPOINT
        self._state = SubscriberState(
            checked_or_none(endpoint),
            bus=checked_or_none(bus),
            shards=shards,
            kinds=kinds,
            takes_batches=True,
        )
        self._endpoint_shown = endpoint or bus
        self._timeout = timeout
        self._sockets = Sockets(context, keys)
        self._driver = SessionDriver(
            self._state.session, self._sockets, self._state.on_bus, self._state.on_reply
        )
        self._closed = False

    @property
    def malformed(self) -> int:
        """Number of messages that could not be decoded; each of them is reported as a Gap."""
        return self._state.malformed

    @property
    def stale(self) -> bool:
        """Whether the bus is not joined, or not joined again since the last `Stale`."""
        return not self._state.session.reliable(self._state.session.last_heartbeat_at)

    def _close(self) -> None:
        """Close the sockets, and drop the updates that were received and not yet returned."""
        self._closed = True
        self._state.updates.clear()
        self._sockets.close()

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError("this Subscriber is closed")

    def _try_join(self, deadline: float) -> float | None:
        """Take the next step towards joining the bus.

        Returns:
            Seconds to wait before the next step; None when the bus is joined.

        Raises:
            NoAnswerError: the deadline has passed.
            NotAllowedError: the daemon refused some of the topics.
        """
        self._driver.receive()
        self._raise_refusal()
        state, now = self._state, clock()
        if state.session.joins:
            return None
        if now >= deadline:
            raise NoAnswerError(
                f"no answer from {self._endpoint_shown} within {self._timeout:g} s "
                f"({state.session.problem}): is `zinfo serve` running there?"
            )
        state.tick(now)
        self._driver.perform_actions()
        return min(state.session.deadline(), deadline) - now

    def _try_receive(self, deadline: float | None) -> float | None:
        """Look for an update.

        Args:
            deadline: local clock after which no update is wanted; None for never.

        Returns:
            Seconds to wait before the next look; None when there is an update or the deadline has
            passed.

        Raises:
            NotAllowedError: the daemon now refuses some of the topics; raised once.
        """
        state = self._state
        if state.updates:
            return None
        received = self._driver.receive()
        if state.updates:
            return None
        self._raise_refusal()
        if received == BATCH:
            return 0.0  # silence can be judged only when no message is left in the socket
        state.tick(clock())
        self._driver.perform_actions()
        now = clock()
        if state.updates or (deadline is not None and now >= deadline):
            return None
        ends = [state.session.deadline(), now + _MAX_WAIT]
        return min(ends if deadline is None else [*ends, deadline]) - now

    def _raise_refusal(self) -> None:
        refusal, self._state.refusal = self._state.refusal, None
        if refusal is not None:
            raise refusal

    def _next(self) -> Update | None:
        """Return the oldest update not yet returned; None where there is none."""
        return self._state.updates.popleft() if self._state.updates else None
