"""Runs a BusSession on real sockets: the loop that Mirror, Subscriber and Recorder share.

The owner waits until one of `sockets` is readable, calls `receive`, ticks its own state, and calls
`perform_actions`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

from zinfo.client.bus_session import BusSession
from zinfo.client.sockets import Sockets, clock
from zinfo.errors import ProtocolError
from zinfo.wire.codec import Message

BATCH = 200
"""Bus messages handled before the replies are read."""

BATCH_BYTES = 1 << 18
"""Bytes of bus messages after which the replies are read, as a message may be a batch of deltas."""


class SessionDriver:
    """Passes what arrives to a state machine, and carries out the actions of its session.

    Args:
        session: joins the bus.
        sockets: those of the session.
        on_bus: called with each bus message and the local clock.
        on_reply: called with each reply and the local clock.
        after: called after each message, once the session's actions are carried out.
        lock: held while the state machine is called.
    """

    def __init__(
        self,
        session: BusSession,
        sockets: Sockets,
        on_bus: Callable[[Message, float], object],
        on_reply: Callable[[Message, float], object],
        *,
        after: Callable[[], object] = lambda: None,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self.sockets = sockets
        self._session = session
        self._on_bus = on_bus
        self._on_reply = on_reply
        self._after = after
        self._lock = nullcontext() if lock is None else lock

    def receive(self) -> int:
        """Handle the messages that have arrived, at most `BATCH` or `BATCH_BYTES` of the bus.

        Returns:
            The number of bus messages; `BATCH` if more may be waiting in the socket.
        """
        received = size = 0
        for frames in self.sockets.bus_messages(BATCH):
            received += 1
            size += len(frames[-1])
            with self._lock:
                self._on_bus(frames, clock())
            self.perform_actions()
            if size > BATCH_BYTES:
                received = BATCH
                break
        for frames in self.sockets.replies():
            with self._lock:
                self._on_reply(frames, clock())
            self.perform_actions()
        return received

    def perform_actions(self) -> None:
        """Carry out the session's actions; reset it where ZeroMQ rejects an endpoint."""
        actions = self._session.actions
        while actions:
            try:
                self.sockets.perform(actions.pop(0))
            except ProtocolError as error:
                with self._lock:
                    actions.clear()
                    self._session.reset(clock(), str(error))
        self._after()
