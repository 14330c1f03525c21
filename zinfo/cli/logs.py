"""Logging of the daemon to stderr, as text or as JSON, with times in UTC."""

from __future__ import annotations

import logging
import os
import select
import sys
import time
from typing import Any

from zinfo.cli.text import printable, printable_lines

_STDERR, _CLOSED = 2, -1  # file descriptors

_PIECE = 4096
"""Bytes that a writable pipe accepts without blocking: PIPE_BUF of Linux."""


class StderrHandler(logging.Handler):
    """Writes to stderr without ever blocking or raising.

    Records that cannot be written, because the disk is full or the pipe's reader has stopped, are
    counted in `lost`. They are not buffered: that would take memory, and delay newer records.

    Args:
        descriptor: of the file to write to.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self.lost = 0  #: records that could not be written completely

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, in one piece unless it is longer than PIPE_BUF."""
        try:
            data = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
            for begin in range(0, len(data), _PIECE):
                self._write(data[begin : begin + _PIECE])
        except Exception:  # cannot be logged; `zinfo stats` has the counter
            self.lost += 1

    def _write(self, data: bytes) -> None:
        if not _has_room(self._descriptor):
            raise BlockingIOError("the pipe of the log is full")
        if os.write(self._descriptor, data) < len(data):
            raise OSError("the log is full")


def _has_room(descriptor: int) -> bool:
    poll = _poll()()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))


def _poll() -> Any:
    # gevent's poll would switch greenlets, which is not allowed in callbacks of the event loop.
    monkey = sys.modules.get("gevent.monkey")
    return monkey.get_original("select", "poll") if monkey else select.poll


class TextFormatter(logging.Formatter):
    """`2026-11-23T08:00:00Z INFO zinfo.poll.poller: message`, with a traceback below."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's own name)
        """Return the line; text from a server cannot start another one."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 (logging's own name)
        """Return the traceback; the error may contain text from a server, too."""
        return printable_lines(super().formatException(ei))


def set_up_logging(format_: str, level: str) -> None:
    """Send the log of this process to stderr.

    Args:
        format_: "text" or "json".
        level: "debug", "info", "warning" or "error"; for zinfo's own records. Of libraries, only
            warnings and errors are logged: their debug records may contain secrets.
    """
    # If stderr was closed, its number may belong to another file by now.
    handler = StderrHandler(_STDERR if sys.__stderr__ is not None else _CLOSED)
    handler.setFormatter(_json_formatter() if format_ == "json" else TextFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("zinfo").setLevel(level.upper())


def _json_formatter() -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter

    formatter = JsonFormatter(
        "%(asctime)s %(levelname)s %(name)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%SZ",
        rename_fields={
            "asctime": "time",
            "levelname": "level",
            "name": "logger",
            "exc_info": "traceback",
        },
    )
    formatter.converter = time.gmtime
    return formatter
