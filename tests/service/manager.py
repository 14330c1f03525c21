"""A service manager for the tests: its socket, and the notifications received there."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from typing_extensions import override

from tests.closing import Closing
from tests.waiting import wait_until


class Manager(Closing):
    """Receives notifications like a service manager; a context manager.

    Args:
        address: a path, or `@` and a name in the abstract namespace.
    """

    def __init__(self, address: str | Path) -> None:
        self.address = str(address)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = self.address
        self._socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self._socket.setblocking(False)
        self._received: list[tuple[float, dict[str, str]]] = []

    @override
    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def received(self) -> list[dict[str, str]]:
        """Return all notifications received so far, in order."""
        while True:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                return [message for _, message in self._received]
            message = dict(line.split("=", 1) for line in data.decode().split("\n"))
            self._received.append((time.monotonic(), message))

    def all_of(self, name: str) -> list[str]:
        """Return all values received so far for a name."""
        return [message[name] for message in self.received() if name in message]

    def wait_for(self, name: str, value: str = "", *, timeout: float = 60.0) -> None:
        """Wait until a value of a name starts with `value`."""
        wait_until(
            lambda: any(found.startswith(value) for found in self.all_of(name)),
            timeout,
            f"{name}={value}",
        )

    def clear(self) -> None:
        """Discard the notifications received so far."""
        self.received()
        self._received.clear()
