"""A service manager for the tests: the socket of one, and what a process has sent there."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from typing_extensions import Self

from tests.waiting import wait_until


class Manager:
    """Listens like a service manager; a context manager.

    Args:
        address: a path, or a name in the abstract namespace after an `@`.
    """

    def __init__(self, address: str | Path) -> None:
        self.address = str(address)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        name = self.address
        self._socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self._socket.setblocking(False)
        self._heard: list[tuple[float, dict[str, str]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._socket.close()

    def heard(self) -> list[dict[str, str]]:
        """Return all messages so far, in order."""
        while True:
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                return [message for _, message in self._heard]
            message = dict(line.split("=", 1) for line in data.decode().split("\n"))
            self._heard.append((time.monotonic(), message))

    def all_of(self, name: str) -> list[str]:
        """Return the values that a name has had so far."""
        return [message[name] for message in self.heard() if name in message]

    def wait_for(self, name: str, value: str = "", *, timeout: float = 20.0) -> None:
        """Wait until a name has had a value that begins so."""
        wait_until(
            lambda: any(found.startswith(value) for found in self.all_of(name)),
            timeout,
            f"{name}={value}",
        )

    def forget(self) -> None:
        """Count from here on."""
        self.heard()
        self._heard.clear()
