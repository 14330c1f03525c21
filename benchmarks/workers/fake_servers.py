"""A cheap stand-in for thousands of servers: it replies to INFO with recorded texts.

One process with one event loop (epoll), without any parsing but for the names of commands. Each
connection is a server of its own: it starts with the first text, and gives the next one at each
poll, so that numbers change as they did in the recording.
"""

from __future__ import annotations

import json
import re
import resource
import select
import socket
import sys
from pathlib import Path

from benchmarks.worker_loop import Handlers, handle_command

_HOST = "127.0.0.1"
_BACKLOG = 4096
_READ = 65_536  # bytes of one read
_COMMAND = re.compile(rb"(?:^|\n)\*\d+\r\n\$\d+\r\n([A-Za-z]+)\r\n")  # start of a RESP array
_REFUSED = b"-ERR unknown command\r\n"


class FakeServers:
    """All connections of one process."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._poll.register(sys.stdin, select.EPOLLIN)
        self._listener = socket.create_server((_HOST, 0), backlog=_BACKLOG)
        self._listener.setblocking(False)
        self._poll.register(self._listener, select.EPOLLIN)
        self._replies: list[bytes] = []
        self._connections: dict[int, tuple[socket.socket, list[int]]] = {}
        self._polls = self._bytes_in = self._bytes_out = 0

    def start(self, replies: str) -> dict[str, str]:
        """Load the recorded texts, and return the address.

        Args:
            replies: Path of a JSON file with a list of texts.
        """
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        texts = [text.encode("latin-1") for text in json.loads(Path(replies).read_text())]
        self._replies = [b"$%d\r\n%b\r\n" % (len(text), text) for text in texts]
        return {"address": f"{_HOST}:{self._listener.getsockname()[1]}"}

    def report(self) -> dict[str, int]:
        """Return what was replied so far: polls, and bytes in both directions."""
        return {
            "connections": len(self._connections),
            "polls": self._polls,
            "in": self._bytes_in,
            "out": self._bytes_out,
        }

    def serve(self) -> None:
        """Reply until the parent closes stdin."""
        handlers: Handlers = {"start": self.start, "report": self.report}
        stdin, listener = sys.stdin.fileno(), self._listener.fileno()
        while True:
            for descriptor, _events in self._poll.poll():
                if descriptor == stdin:
                    line = sys.stdin.buffer.readline()
                    if not line:
                        return
                    handle_command(line, handlers)
                elif descriptor == listener:
                    self._accept()
                else:
                    self._reply(descriptor)

    def _accept(self) -> None:
        try:
            connection, _address = self._listener.accept()
        except BlockingIOError:
            return
        connection.setblocking(False)
        self._connections[connection.fileno()] = (connection, [0])
        self._poll.register(connection, select.EPOLLIN)

    def _reply(self, descriptor: int) -> None:
        connection, count = self._connections[descriptor]
        try:
            request = connection.recv(_READ)
        except ConnectionError:
            request = b""
        if not request:
            self._poll.unregister(descriptor)
            del self._connections[descriptor]
            connection.close()
            return
        self._bytes_in += len(request)
        commands = _COMMAND.findall(request)
        parts = []
        for command in commands:
            if command.upper() == b"INFO":
                parts.append(self._replies[count[0] % len(self._replies)])
                count[0] += 1
                self._polls += 1
            else:
                parts.append(_REFUSED)
        data = b"".join(parts)
        self._bytes_out += len(data)
        sent = connection.send(data)
        if sent < len(data):  # more than the buffer of the socket; the peer is reading
            connection.setblocking(True)
            connection.sendall(data[sent:])
            connection.setblocking(False)


if __name__ == "__main__":
    FakeServers().serve()
