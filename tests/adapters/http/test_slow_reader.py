"""A client of the stream that does not read loses messages, and no other client does."""

from __future__ import annotations

import json
import socket
import time
from urllib.parse import urlsplit

from tests.adapters.http.requests import fetch
from tests.daemons import RunningDaemon
from tests.metrics.texts import samples
from tests.servers import RealServer
from tests.waiting import wait_until

FAST = {"ZINFO_POLL_MIN_INTERVAL": "0.05", "ZINFO_POLL_MAX_INTERVAL": "0.05"}


def test_a_client_that_does_not_read_loses_messages_and_gets_a_gap_message(
    server: RealServer,
) -> None:
    shards = "".join(f'[[shards]]\nid = "s-{n}"\nurl = "{server.url}"\n' for n in range(50))
    with (
        RunningDaemon(config_text=shards, http=True, environ=FAST) as daemon,
        socket.socket() as slow,
    ):
        place = urlsplit(daemon.http)
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect((place.hostname, place.port))
        slow.sendall(b"GET /api/v1/stream?kinds=info HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        wait_until(lambda: _dropped(daemon) > 0, 60, "messages to be lost")
        assert daemon.ask("ping").error is None
        slow.settimeout(60)
        with slow.makefile("rb") as lines:
            until = time.monotonic() + 60
            while lines.readline() != b"event: gap\n":
                assert time.monotonic() < until, "no gap message"
            data = lines.readline().removeprefix(b"data: ")
            assert json.loads(data)["lost"] > 0


def _dropped(daemon: RunningDaemon) -> float:
    found = samples(fetch(daemon.http, "metrics").text)
    return found["zinfo_http_stream_dropped_total", frozenset()]
