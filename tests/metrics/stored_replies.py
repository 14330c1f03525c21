"""A server that replies to INFO with a stored text, and to all other commands with an error."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections.abc import Iterator
from typing import BinaryIO, cast

from tests.resp import ConnectionLost, read_reply
from tests.spawning import HOST


class StoredReplies(socketserver.ThreadingTCPServer):
    """The server.

    Attributes:
        text: the reply to INFO.
    """

    daemon_threads = True
    text = b""

    @property
    def url(self) -> str:
        """Its URL."""
        return f"redis://{HOST}:{self.server_address[1]}"


class _Handler(socketserver.StreamRequestHandler):
    server: StoredReplies

    def handle(self) -> None:
        with contextlib.suppress(ConnectionLost, ConnectionError):
            while True:
                command = read_reply(cast("BinaryIO", self.rfile))
                text = self.server.text
                is_info = command.split(b"\r\n")[2] == b"INFO"
                self.wfile.write(b"$%d\r\n%b\r\n" % (len(text), text) if is_info else b"-ERR\r\n")


@contextlib.contextmanager
def stored_replies() -> Iterator[StoredReplies]:
    """Run such a server on a free port."""
    with StoredReplies((HOST, 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
