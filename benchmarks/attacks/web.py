"""Attacks on the HTTP server, and its most expensive valid requests."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from benchmarks.attacks.scene import Attack, Scene

_CONNECTIONS = 256
_TIMEOUT = 60.0  # seconds for a response
_BYTE_INTERVAL = 0.1  # seconds between two bytes of a request head
_LINE = b"X-Line: " + b"x" * 1000 + b"\r\n"
_START = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n"


def _unfinished_heads(scene: Scene) -> dict[str, Any]:
    """Hold connections with unfinished request heads open, and request /healthz meanwhile."""
    waits = []
    with _connections(scene) as connections:
        _send(connections, _START)
        until = time.monotonic() + scene.scale.seconds
        while time.monotonic() < until:
            _send(connections, b"X")
            waits.append(_health(scene))
            time.sleep(_BYTE_INTERVAL)
    return {"healthz": max(waits)}


def _large_heads(scene: Scene) -> dict[str, Any]:
    """Send request heads of 6 MB on all connections."""
    lines = scene.scale.head_bytes // len(_LINE)
    with _connections(scene) as connections:
        _send(connections, _START + _LINE * lines)
        wait = _health(scene)
    return {"healthz": wait}


@contextlib.contextmanager
def _connections(scene: Scene) -> Iterator[list[socket.socket]]:
    parts = urlsplit(scene.http)
    address = (parts.hostname or "", parts.port or 0)
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(_CONNECTIONS):
            one = stack.enter_context(socket.create_connection(address))
            one.setblocking(False)
            found.append(one)
        yield found


def _send(connections: Sequence[socket.socket], data: bytes) -> None:
    """Send the same data on all connections at once; skips closed connections."""
    selector = selectors.DefaultSelector()
    left: dict[socket.socket, memoryview] = {}
    by_number = {one.fileno(): one for one in connections}
    for one in connections:
        with contextlib.suppress(ValueError, OSError):
            selector.register(one, selectors.EVENT_WRITE)
            left[one] = memoryview(data)
    until = time.monotonic() + _TIMEOUT
    while left and time.monotonic() < until:
        for key, _ in selector.select(timeout=1.0):
            one = by_number[key.fd]
            try:
                left[one] = left[one][one.send(left[one]) :]
            except BlockingIOError:
                continue
            except OSError:  # the daemon has closed it
                left[one] = memoryview(b"")
            if not left[one]:
                selector.unregister(one)
                del left[one]
    selector.close()


def _health(scene: Scene) -> float:
    """Return the milliseconds until the response of /healthz, or until the timeout."""
    began = time.monotonic()
    with (
        contextlib.suppress(URLError, OSError),
        urlopen(f"{scene.http}healthz", timeout=scene.scale.health),
    ):
        pass
    return 1000 * (time.monotonic() - began)


def _scrape(scene: Scene) -> dict[str, Any]:
    request = Request(f"{scene.http}metrics", headers={"Accept-Encoding": "gzip"})
    with urlopen(request, timeout=_TIMEOUT) as response:
        return {"bytes": len(response.read())}


def _everything(scene: Scene) -> dict[str, Any]:
    """Request all INFO from the JSON API, page by page."""
    cursor, size = "", 0
    while True:
        try:
            with urlopen(f"{scene.http}api/v1/infos{cursor}", timeout=_TIMEOUT) as response:
                body = response.read()
        except HTTPError as error:
            raise RuntimeError(f"status {error.code}") from error
        size += len(body)
        following = json.loads(body).get("cursor")
        if following is None:
            return {"bytes": size}
        cursor = f"?cursor={following}"


ATTACKS = (
    Attack("http-heads", _unfinished_heads),
    Attack("http-large", _large_heads),
    Attack("scrape", _scrape),
    Attack("json", _everything),
)
