"""Writes lifecycle events to their stream, each one in its order and until acknowledged.

They are read from the daemon's own log of events rather than from the bus: so none is missing after
a loss of messages, or after a restart of the sink, as long as the daemon still has it. The newest
number of each daemon is stored with the heartbeat. Within its window the server drops an event that
it has already.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from typing import Final

from nats.aio.client import Client as NatsClient

from zinfo.aio import Client
from zinfo.client.requests import RecentEvents
from zinfo.errors import ZinfoError
from zinfo.sinks.nats.bucket import API_TIMEOUT, FIRST_PAUSE, MAX_PAUSE, PUT_TIMEOUT
from zinfo.sinks.nats.connection import NATS_ERRORS, describe
from zinfo.sinks.nats.counters import Counters
from zinfo.sinks.nats.names import MAX_ENCODED, Names
from zinfo.sinks.nats.source import Source
from zinfo.sinks.nats.values import event_message

logger = logging.getLogger(__name__)

CHECK_SECONDS: Final = 10.0
"""Seconds between two requests for events if none was announced on the bus."""


class EventWriter:
    """Writes the events of all daemons of a source.

    Args:
        client: the connection to NATS.
        names: has stream and subjects.
        source: has the daemons.
        counters: are counted up.
        newest: by node, the epoch and number of the newest event in the stream; is updated.
    """

    def __init__(
        self,
        client: NatsClient,
        names: Names,
        source: Source,
        counters: Counters,
        newest: Mapping[str, tuple[int, int]],
    ) -> None:
        self._js = client.jetstream(timeout=API_TIMEOUT)
        self._names = names
        self._source = source
        self._counters = counters
        self._announced = asyncio.Event()
        self._problem = ""
        self.newest = dict(newest)

    def wake(self) -> None:
        """An event has come on the bus."""
        self._announced.set()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            self._announced.clear()
            nodes = set()
            for endpoint, client in self._source.clients():
                try:
                    nodes.add(await self._write_new(client))
                except ZinfoError as error:
                    logger.debug("no events from %s: %s", endpoint, error)
            if nodes and all(nodes):
                self._forget(nodes)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._announced.wait(), CHECK_SECONDS)

    def _forget(self, nodes: set[str]) -> None:
        """Forget daemons that are gone, so that names of former ones do not fill the heartbeat."""
        if len(self.newest) > 2 * len(nodes) + 8:
            self.newest = {node: at for node, at in self.newest.items() if node in nodes}

    async def _write_new(self, client: Client) -> str:
        """Write the events of one daemon that are not in the stream; return its name."""
        node, epoch = await self._identity(client)
        known_epoch, since = self.newest.get(node, (0, 0))
        if known_epoch != epoch:
            since = 0
        found = await client.events(since)
        if client.epoch != epoch:
            return ""  # it has started again; the next turn begins with its new epoch
        self._note_missed(node, since, found)
        for event in found.events:
            payload, headers = event_message(event, node, epoch)
            subject = self._names.event_subject(event.shard)
            if len(subject) <= MAX_ENCODED:
                await self._put(subject, payload, headers)
            self.newest[node] = (epoch, event.number)
        return node

    async def _identity(self, client: Client) -> tuple[str, int]:
        hello = await client.hello()
        return str(hello.get("node", "")), client.epoch or 0

    def _note_missed(self, node: str, since: int, found: RecentEvents) -> None:
        if found.missed:
            self._counters.events_missed += 1
            logger.warning("%s no longer has some events after number %d", node, since)

    async def _put(self, subject: str, payload: bytes, headers: dict[str, str]) -> None:
        """Write one event, again and again until the server acknowledges it."""
        pause = FIRST_PAUSE
        while True:
            try:
                await self._js.publish(
                    subject,
                    payload,
                    timeout=PUT_TIMEOUT,
                    stream=self._names.stream,
                    headers=dict(headers),
                )
            except NATS_ERRORS as error:
                self._counters.failures += 1
                if not self._problem:
                    logger.warning("an event is written again: %s", describe(error))
                self._problem = describe(error)
                await asyncio.sleep(pause)
                pause = min(2 * pause, MAX_PAUSE)
            else:
                self._problem = ""
                self._counters.events += 1
                return
