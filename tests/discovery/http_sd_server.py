"""An HTTP server with targets, whose replies a test writes: good ones, and every fault."""

from __future__ import annotations

import contextlib
import http.server
import json
import ssl
import threading
from collections.abc import Callable, Iterator

Respond = Callable[["Handler"], object]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: SdServer

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))
        self.close_connection = True
        with contextlib.suppress(OSError):  # the client may be gone
            self.server.respond(self)

    def reply(
        self,
        body: bytes | str,
        *,
        status: int = 200,
        content_type: str = "application/json",
        length: int | None = None,
        **headers: str,
    ) -> None:
        data = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def raw(self, data: bytes) -> None:
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


class SdServer(http.server.ThreadingHTTPServer):
    """Replies as `respond` says; `seen` has path and headers of each request."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.seen: list[tuple[str, dict[str, str]]] = []
        self.respond: Respond = lambda handler: handler.reply("[]")
        self.url = f"{'https' if context else 'http'}://localhost:{self.server_port}/sd"
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def serve(self, *targets: str, etag: str = "") -> None:
        """Reply with these targets from now on."""
        text = json.dumps([{"targets": targets}])
        self.respond = lambda handler: handler.reply(text, ETag=etag)

    def handle_error(self, *_: object) -> None:
        """Print nothing: clients that end early are expected."""


@contextlib.contextmanager
def running(server: SdServer) -> Iterator[SdServer]:
    """Serve until the exit."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
