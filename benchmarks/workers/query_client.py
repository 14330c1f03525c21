"""Query clients: send queries at a given rate or as fast as possible, check and time replies."""

from __future__ import annotations

import select
import selectors
import time
from collections import Counter, defaultdict, deque
from typing import Any

import zmq

from benchmarks.cores import prefer_this_process
from benchmarks.histogram import as_text, new_histogram, record
from benchmarks.queries import PendingQuery, QueryGenerator
from benchmarks.worker_loop import serve_commands_blocking
from zinfo.client import Client
from zinfo.errors import ProtocolError
from zinfo.wire.query_messages import decode_reply, encode_request

_TIMEOUT = 10.0  # seconds after which a reply counts as lost
_CHECK_INTERVAL = 0.1  # longest time between two checks for lost replies, in seconds
_EXAMPLES = 5  # wrong replies that are reported in words

Socket = zmq.Socket[bytes]


class QueryClients:
    """Clients with a socket each, and at most one outstanding query on it."""

    def __init__(self) -> None:
        self._context = zmq.Context()
        self._endpoint = ""
        self._interval = 0.0
        self._idle: deque[Socket] = deque()
        self._outstanding: dict[Socket, PendingQuery] = {}
        self._selector = selectors.DefaultSelector()
        self._queries = QueryGenerator([], {})
        self._reset()

    def start(
        self,
        endpoint: str,
        clients: int,
        rate: float,
        mix: dict[str, float],
        seed: int = 0,
        realtime: bool = False,
    ) -> dict[str, Any]:
        """Connect the clients.

        Args:
            endpoint: The daemon's query endpoint.
            clients: Number of clients.
            rate: Queries a second of all clients together; 0 sends the next after each reply.
            mix: Weight of each query, by name.
            seed: Seed of the random number generator.
            realtime: Whether to run before all other processes on its core; not for rate 0.
        """
        if realtime:
            prefer_this_process()
        self._endpoint, self._interval = endpoint, 1 / rate if rate else 0.0
        with Client(endpoint) as client:
            shards = [shard["id"] for shard in client.shards() if shard["revision"]]
        if not shards:
            return {"shards": 0}
        self._queries = QueryGenerator(shards, mix, seed)
        for _ in range(clients):
            self._idle.append(self._connect())
        return {"shards": len(shards)}

    def send_queries(self, seconds: float) -> dict[str, Any]:
        """Send queries for a while, then wait for outstanding replies; return the results.

        With a rate, the latency of a query counts from when it was due, because a query that had
        to wait for a free client had to wait for the daemon.
        """
        self._reset()
        began = time.monotonic()
        end, due = began + seconds, began
        sent, to_send = 0, round(seconds / self._interval) if self._interval else 0
        while True:
            now = time.monotonic()
            if not self._interval:
                due = now
            while self._idle and due <= now and due < end and (sent < to_send or not to_send):
                self._send(self._idle.popleft(), self._queries.next(), due, now)
                sent += 1
                if self._interval:  # multiplied: a sum of intervals would drift
                    due = began + sent * self._interval
            if now >= end and not self._outstanding:
                break
            self._expire(now)
            if self._idle and due < end:
                self._receive(due)
            else:
                self._receive(end if now < end else now + _CHECK_INTERVAL)
        return {
            "seconds": time.monotonic() - began,
            "rate_asked": to_send / seconds,
            "unasked": max(0, to_send - sent),
            "asked": dict(self._counts),
            "errors": dict(self._errors),
            "lost": self._lost,
            "wrong": self._wrong,
            "examples": self._examples,
            "times": {name: as_text(histogram) for name, histogram in self._times.items()},
        }

    def _reset(self) -> None:
        self._counts: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self._lost = self._wrong = 0
        self._examples: list[str] = []
        self._times: defaultdict[str, Any] = defaultdict(new_histogram)

    def _connect(self) -> Socket:
        socket = self._context.socket(zmq.DEALER)
        socket.linger = 0
        socket.connect(self._endpoint)
        self._selector.register(socket, selectors.EVENT_READ)
        return socket

    def _send(self, socket: Socket, query: PendingQuery, due: float, now: float) -> None:
        self._counts[query.name] += 1
        query.due = due
        self._send_page(socket, query, now)

    def _send_page(self, socket: Socket, query: PendingQuery, now: float) -> None:
        query.sent = now
        self._outstanding[socket] = query
        socket.send_multipart([b"", *encode_request(query.request)])

    def _receive(self, until: float) -> None:
        wait = max(0.0, min(until - time.monotonic(), _CHECK_INTERVAL))
        # Selectors and ZeroMQ's poller round timeouts to milliseconds, which is as long as a reply
        # takes, and polling in a loop would take CPU time from the servers on the same core.
        if not select.select([self._selector], [], [], wait)[0]:
            return
        for key, _ in self._selector.select(0):
            socket: Any = key.fileobj
            # Until the queue is empty: ZeroMQ's descriptor is edge-triggered.
            while socket.get(zmq.EVENTS) & zmq.POLLIN:
                self._handle_reply(socket, time.monotonic())

    def _handle_reply(self, socket: Socket, now: float) -> None:
        frames = socket.recv_multipart()
        query = self._outstanding.get(socket)
        try:
            reply = decode_reply(frames[1:])
            if query is None or reply.id != query.request.id:
                self._count_wrong(f"a reply to {reply.id!r}, which was not sent")
                return
            if reply.error is not None:
                self._errors[reply.error.code] += 1
            elif problem := self._queries.problem(query, reply):
                self._count_wrong(problem)
            elif reply.cursor is not None:
                self._send_page(socket, query, now)
                return
        except ProtocolError as error:
            self._count_wrong(f"not a reply: {error}")
            return
        del self._outstanding[socket]
        self._idle.append(socket)
        record(self._times[query.name], now - query.due)

    def _count_wrong(self, problem: str) -> None:
        self._wrong += 1
        if len(self._examples) < _EXAMPLES:
            self._examples.append(problem)

    def _expire(self, now: float) -> None:
        for socket, query in list(self._outstanding.items()):
            if now - query.sent > _TIMEOUT:
                self._lost += 1
                del self._outstanding[socket]
                self._selector.unregister(socket)
                socket.close()
                self._idle.append(self._connect())


if __name__ == "__main__":
    clients = QueryClients()
    serve_commands_blocking({"start": clients.start, "send_queries": clients.send_queries})
