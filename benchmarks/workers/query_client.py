"""Query clients: ask at a fixed rate or flat out, check every answer, take the time."""

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
from zinfo.wire.protocol import decode_reply, encode_request

_PATIENCE = 10.0  # seconds after which a reply counts as lost
_LOOK = 0.1  # seconds between two looks for lost replies, at most
_EXAMPLES = 5  # wrong answers that are told in words

Socket = zmq.Socket[bytes]


class QueryClients:
    """Clients with a socket each, and at most one question under way on it."""

    def __init__(self) -> None:
        self._context = zmq.Context()
        self._endpoint = ""
        self._interval = 0.0
        self._idle: deque[Socket] = deque()
        self._asked: dict[Socket, PendingQuery] = {}
        self._selector = selectors.DefaultSelector()
        self._queries = QueryGenerator([], {})
        self._forget()

    def start(
        self,
        endpoint: str,
        clients: int,
        rate: float,
        mix: dict[str, float],
        seed: int = 0,
        realtime: bool = False,
    ) -> dict[str, Any]:
        """Connect.

        Args:
            endpoint: of the daemon's queries.
            clients: how many ask.
            rate: questions a second of all of them together; 0 for as many as are answered.
            mix: name of a question to its weight.
            seed: of the chance.
            realtime: whether to come before all else on its core; not for asking flat out.
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
        """Ask for a while, then wait for what is under way; return what came of it.

        Where a rate is given, a question's time counts from when it was due: one that had to wait
        for a free client waited for the daemon.
        """
        self._forget()
        began = time.monotonic()
        end, due = began + seconds, began
        asked, to_ask = 0, round(seconds / self._interval) if self._interval else 0
        while True:
            now = time.monotonic()
            if not self._interval:
                due = now
            while self._idle and due <= now and due < end and (asked < to_ask or not to_ask):
                self._send(self._idle.popleft(), self._queries.next(), due, now)
                asked += 1
                if self._interval:  # multiplied: a sum of intervals would drift
                    due = began + asked * self._interval
            if now >= end and not self._asked:
                break
            self._give_up(now)
            if self._idle and due < end:
                self._receive(due)
            else:
                self._receive(end if now < end else now + _LOOK)
        return {
            "seconds": time.monotonic() - began,
            "rate_asked": to_ask / seconds,
            "unasked": max(0, to_ask - asked),
            "asked": dict(self._counts),
            "errors": dict(self._errors),
            "lost": self._lost,
            "wrong": self._wrong,
            "examples": self._examples,
            "times": {name: as_text(histogram) for name, histogram in self._times.items()},
        }

    def _forget(self) -> None:
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

    def _send(self, socket: Socket, asked: PendingQuery, due: float, now: float) -> None:
        self._counts[asked.name] += 1
        asked.due = due
        self._send_page(socket, asked, now)

    def _send_page(self, socket: Socket, asked: PendingQuery, now: float) -> None:
        asked.sent = now
        self._asked[socket] = asked
        socket.send_multipart([b"", *encode_request(asked.request)])

    def _receive(self, until: float) -> None:
        wait = max(0.0, min(until - time.monotonic(), _LOOK))
        # Selectors and ZeroMQ's poller know whole milliseconds only, which is as long as an answer
        # takes; and to look again and again costs the servers' core.
        if not select.select([self._selector], [], [], wait)[0]:
            return
        for key, _ in self._selector.select(0):
            socket: Any = key.fileobj
            # Until nothing is there: only then does ZeroMQ make the descriptor readable again.
            while socket.get(zmq.EVENTS) & zmq.POLLIN:
                self._take(socket, time.monotonic())

    def _take(self, socket: Socket, now: float) -> None:
        frames = socket.recv_multipart()
        asked = self._asked.get(socket)
        try:
            reply = decode_reply(frames[1:])
            if asked is None or reply.id != asked.request.id:
                self._blame(f"an answer to {reply.id!r}, which was not asked")
                return
            if reply.error is not None:
                self._errors[reply.error.code] += 1
            elif problem := self._queries.problem(asked, reply):
                self._blame(problem)
            elif reply.cursor is not None:
                self._send_page(socket, asked, now)
                return
        except ProtocolError as error:
            self._blame(f"not a reply: {error}")
            return
        del self._asked[socket]
        self._idle.append(socket)
        record(self._times[asked.name], now - asked.due)

    def _blame(self, problem: str) -> None:
        self._wrong += 1
        if len(self._examples) < _EXAMPLES:
            self._examples.append(problem)

    def _give_up(self, now: float) -> None:
        for socket, asked in list(self._asked.items()):
            if now - asked.sent > _PATIENCE:
                self._lost += 1
                del self._asked[socket]
                self._selector.unregister(socket)
                socket.close()
                self._idle.append(self._connect())


if __name__ == "__main__":
    clients = QueryClients()
    serve_commands_blocking({"start": clients.start, "send_queries": clients.send_queries})
