"""What each client of the bus has subscribed, and when that is too much. Pure.

ZeroMQ remembers every topic that is subscribed, some 50 bytes for each byte of it, before zinfo
sees it; what is over a bound can only be let go with the connection.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

MAX_TOPICS = 12_500
"""Distinct topics of one client: one for each of 10,000 shards, and some more.

libzmq forgets all topics of a connection that ends in one call: 1 to 1.5 ms a thousand."""

MAX_BYTES = 1 << 20
"""Bytes of those topics together; longer topics take libzmq as many times longer to forget."""

MAX_ALL = 100_000
"""Topics of all clients of one socket; beyond it the connection with the most of them is ended."""

MAX_REFUSED = 20
"""Topics that a fence tells as refused; what is over it is counted only."""


@dataclass(slots=True, eq=False)
class Subscriptions:
    """What came over one connection.

    Attributes:
        client: who has it: a key, or the connection's own descriptor where there are no keys.
        topics: subscribed and not let go.
        refused: the first of the topics that the client may not have.
    """

    client: object
    topics: set[bytes] = field(default_factory=set)
    refused: list[bytes] = field(default_factory=list)


@dataclass(slots=True)
class _Client:
    """All connections of one client.

    Attributes:
        connections: their number.
        topics: the number of connections that subscribed each.
        bytes: of the distinct topics.
    """

    connections: int = 0
    topics: Counter[bytes] = field(default_factory=Counter)
    bytes: int = 0


class TopicCounts:
    """The subscriptions of all connections of one socket.

    What one connection lets go while another still has it is not told by ZeroMQ, and so stays
    counted until the connection ends.

    Args:
        most: distinct topics that one client may have.
        most_bytes: bytes of them together.
    """

    def __init__(self, most: int = MAX_TOPICS, most_bytes: int = MAX_BYTES) -> None:
        self._most = most
        self._most_bytes = most_bytes
        self._connections: dict[int, Subscriptions] = {}
        self._clients: dict[object, _Client] = {}

    def of(self, descriptor: int, client: object) -> Subscriptions:
        """Return what came over a connection.

        Args:
            descriptor: of the connection.
            client: who has it; None where there are no keys.
        """
        found = self._connections.get(descriptor)
        if found is None:
            found = Subscriptions(descriptor if client is None else client)
            self._connections[descriptor] = found
            self._clients.setdefault(found.client, _Client()).connections += 1
        return found

    def add(self, connection: Subscriptions, topic: bytes) -> bool:
        """Count a topic; return whether its client still has no more than it may."""
        client = self._clients[connection.client]
        if topic not in connection.topics:
            connection.topics.add(topic)
            client.topics[topic] += 1
            if client.topics[topic] == 1:
                client.bytes += len(topic)
        return len(client.topics) <= self._most and client.bytes <= self._most_bytes

    def discard(self, connection: Subscriptions, topic: bytes) -> None:
        """A topic was let go."""
        if topic in connection.topics:
            connection.topics.remove(topic)
            self._let_go(connection, topic)

    def forget(self, descriptor: int) -> None:
        """A connection has gone."""
        connection = self._connections.pop(descriptor, None)
        if connection is None:
            return
        client = self._clients[connection.client]
        client.connections -= 1
        if not client.connections:  # at once: topic by topic it would take 7 ms for 12,500
            del self._clients[connection.client]
            return
        for topic in connection.topics:
            self._let_go(connection, topic)

    def clear(self) -> None:
        """All connections have gone."""
        self._connections.clear()
        self._clients.clear()

    def largest(self) -> int | None:
        """Return the descriptor of the connection with the most topics; None where none is."""
        sizes = {one: len(of.topics) for one, of in self._connections.items()}
        return max(sizes, key=sizes.__getitem__, default=None)

    def _let_go(self, connection: Subscriptions, topic: bytes) -> None:
        client = self._clients[connection.client]
        client.topics[topic] -= 1
        if not client.topics[topic]:
            del client.topics[topic]
            client.bytes -= len(topic)
