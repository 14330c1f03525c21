"""Sends notifications to the service manager that started this process: sd_notify(3) of systemd.

A notification is a datagram of `NAME=value` lines to the Unix socket in $NOTIFY_SOCKET; there is no
reply. Nothing is sent if that variable is not set.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

logger = logging.getLogger(__name__)


class Notifier:
    """Sends notifications without blocking.

    Args:
        address: the service manager's socket: a path, or `@` and a name in Linux's abstract
            namespace; "" if there is no service manager.
        watchdog: seconds within which the next WATCHDOG=1 must be sent; 0 if there is no watchdog.

    Attributes:
        watchdog: the watchdog timeout in seconds.
    """

    def __init__(self, address: str = "", watchdog: float = 0.0) -> None:
        self.watchdog = watchdog
        self._address = "\0" + address[1:] if address.startswith("@") else address
        # Stays open: the watchdog must be notified even when no file descriptor is left.
        self._socket: socket.socket | None = None
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)  # a full queue must not block the event loop
        self._failing = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Notifier:
        """Create a notifier from NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID."""
        address = environ.get("NOTIFY_SOCKET", "")
        if not address:
            return cls()
        if not address.startswith(("/", "@")):  # `vsock:` is for virtual machines
            logger.warning("NOTIFY_SOCKET: found '%s', expected /PATH or @NAME: ignored", address)
            return cls()
        return cls(address, _watchdog(environ))

    @property
    def enabled(self) -> bool:
        """Whether there is a service manager."""
        return self._socket is not None

    def send(self, *lines: str) -> bool:
        """Send lines such as `READY=1` in one datagram.

        Returns:
            Whether they were sent. The first failure in a row is logged.
        """
        if self._socket is None:
            return False
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._failing:
                logger.warning("cannot notify the service manager: %s", error)
            self._failing = True
            return False
        self._failing = False
        return True

    def close(self) -> None:
        """Close the socket; nothing is sent any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _watchdog(environ: Mapping[str, str]) -> float:
    if environ.get("WATCHDOG_PID", "") not in {"", str(os.getpid())}:
        return 0.0  # the watchdog is for another process
    text = environ.get("WATCHDOG_USEC", "") or "0"
    if text.isascii() and text.isdecimal():
        return int(text) / 1e6
    logger.warning("WATCHDOG_USEC: found '%s', expected microseconds: ignored", text)
    return 0.0
