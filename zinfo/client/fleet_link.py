"""The connection of a FleetSubscriber to one daemon: a Mirror's state machine on real sockets."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager

import zmq

from zinfo.client.mirror_state import MirrorState
from zinfo.client.session_driver import SessionDriver
from zinfo.client.sockets import Context, Socket, Sockets, clock
from zinfo.wire.codec import Message
from zinfo.wire.curve_keys import ClientKeys

logger = logging.getLogger(__name__)


class FleetLink:
    """One daemon.

    Args:
        endpoint: its query endpoint.
        on_message: called with the endpoint and the local clock after each message.
        lock: held while the state machine is used.
        shards: ids of the shards to mirror; None for all.
        labels: those that a mirrored shard has.
        fields: names of the mirrored fields; None for all.
        context: creates the sockets.
        keys: CURVE keys.

    Attributes:
        endpoint: the same.
        mirror: the state machine.
    """

    def __init__(
        self,
        endpoint: str,
        on_message: Callable[[str, float], object],
        lock: AbstractContextManager[object],
        *,
        shards: Collection[str] | None,
        labels: Mapping[str, str] | None,
        fields: Collection[str] | None,
        context: Context | None,
        keys: ClientKeys | None,
    ) -> None:
        self.endpoint = endpoint
        self.mirror = MirrorState(endpoint, shards, labels=labels, fields=fields)
        self.mirror.watch_sources()
        self._on_message = on_message
        self._lock = lock
        self._sockets = Sockets(context, keys)
        self._driver = SessionDriver(
            self.mirror.session, self._sockets, self._on_bus, self._on_reply, lock=lock
        )

    def begin(self) -> float:
        """Do what is due; return the local clock of the next time."""
        try:
            with self._lock:
                self.mirror.tick(clock())
                deadline = self.mirror.deadline()
            self._driver.perform_actions()
        except zmq.ContextTerminated:
            raise
        except Exception as error:
            self._on_failure(error)
            return clock()
        return deadline

    def end(self) -> None:
        """Handle the messages that have arrived."""
        try:
            self._driver.receive()
        except zmq.ContextTerminated:
            raise
        except Exception as error:
            self._on_failure(error)

    def sockets(self) -> list[Socket]:
        """Return the open sockets."""
        return self._sockets.opened()

    def close(self) -> None:
        """Close the sockets for good."""
        self._sockets.close()
        with self._lock:
            self.mirror.session.close()

    def _on_bus(self, frames: Message, now: float) -> None:
        self.mirror.on_bus(frames, now)
        self._on_message(self.endpoint, now)

    def _on_reply(self, frames: Message, now: float) -> None:
        self.mirror.on_reply(frames, now)
        self._on_message(self.endpoint, now)

    def _on_failure(self, error: Exception) -> None:
        """Join again, so that an error concerns one daemon only."""
        logger.error("the mirror of %s failed and joins again", self.endpoint, exc_info=error)
        with self._lock:
            self.mirror.session.reset(clock(), f"failed: {error}")
