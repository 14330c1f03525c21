"""Datagrams to the service manager that started this process: sd_notify(3) of systemd.

Each is a few `NAME=value` lines for a Unix socket that the environment names; nothing comes back.
Where the environment names none, nothing is sent.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

logger = logging.getLogger(__name__)


class Notifier:
    """Sends what the service manager is to know, and never waits for it.

    Args:
        address: of its socket: a path, or a name in Linux's abstract namespace after an `@`;
            empty where there is no service manager.
        watchdog: seconds within which it wants a sign of life; 0 where it wants none.

    Attributes:
        watchdog: as given.
    """

    def __init__(self, address: str = "", watchdog: float = 0.0) -> None:
        self.watchdog = watchdog
        self._address = "\0" + address[1:] if address.startswith("@") else address
        # Kept open: where file descriptors run out there must be one to say that zinfo lives.
        self._socket: socket.socket | None = None
        if address:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)  # a full queue must not hold zinfo up
        self._failing = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Notifier:
        """Return one for this process, as NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID say."""
        address = environ.get("NOTIFY_SOCKET", "")
        if not address:
            return cls()
        if not address.startswith(("/", "@")):  # `vsock:` is for whole virtual machines
            logger.warning("NOTIFY_SOCKET: found '%s', expected /PATH or @NAME: ignored", address)
            return cls()
        return cls(address, _watchdog(environ))

    @property
    def is_heard(self) -> bool:
        """Whether there is somebody to send to."""
        return self._socket is not None

    def send(self, *lines: str) -> bool:
        """Send lines such as `READY=1` in one datagram.

        Returns:
            Whether they are on their way. If not, the log has it, once until it works again.
        """
        if self._socket is None:
            return False
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            if not self._failing:
                logger.warning("the service manager cannot be told: %s", error)
            self._failing = True
            return False
        self._failing = False
        return True

    def close(self) -> None:
        """Send nothing any more."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _watchdog(environ: Mapping[str, str]) -> float:
    if environ.get("WATCHDOG_PID", "") not in {"", str(os.getpid())}:
        return 0.0  # it is another process that is watched
    text = environ.get("WATCHDOG_USEC", "") or "0"
    if text.isascii() and text.isdecimal():
        return int(text) / 1e6
    logger.warning("WATCHDOG_USEC: found '%s', expected microseconds: no beats are sent", text)
    return 0.0
