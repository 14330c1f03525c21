"""Logging of the daemon: to stderr, as text for people or as JSON for machines, in UTC."""

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
"""Bytes that a pipe with room takes at once, so that writing them never waits: POSIX's PIPE_BUF."""


class StderrHandler(logging.Handler):
    """Writes to stderr, and never waits for it or fails with it.

    What cannot be written, as the disk is full or whoever reads the pipe has stopped, is counted in
    `lost`. Nothing is held back: a log that comes late would take memory and say old things.

    Args:
        descriptor: of the file to write to.
    """

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self.lost = 0  #: records that could not be written, or not whole

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, in one piece where it is no longer than a pipe takes."""
        try:
            data = f"{self.format(record)}\n".encode("utf-8", "backslashreplace")
            for begin in range(0, len(data), _PIECE):
                self._write(data[begin : begin + _PIECE])
        except Exception:  # the log cannot tell that the log has failed; `stats` does
            self.lost += 1

    def _write(self, data: bytes) -> None:
        if not _has_room(self._descriptor):
            raise BlockingIOError("nobody reads the log")
        if os.write(self._descriptor, data) < len(data):
            raise OSError("the log is full")


def _has_room(descriptor: int) -> bool:
    poll = _poll()()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))


def _poll() -> Any:
    # gevent's own would switch greenlets, and in the event loop's callbacks nothing may.
    monkey = sys.modules.get("gevent.monkey")
    return monkey.get_original("select", "poll") if monkey else select.poll


class TextFormatter(logging.Formatter):
    """`2026-11-23T08:00:00Z INFO zinfo.poll.poller: message`, with a traceback below."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self.converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's own name)
        """Return the line; what a server said cannot begin another one."""
        return printable(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 (logging's own name)
        """Return the traceback; the error's own words may be a server's, too."""
        return printable_lines(super().formatException(ei))


def set_up_logging(format_: str, level: str) -> None:
    """Send the log of this process to stderr.

    Args:
        format_: "text" or "json".
        level: "debug", "info", "warning" or "error"; for zinfo's own words. Libraries are
            heard from warnings on: what they say at "debug" may hold secrets.
    """
    # Closed, its number may be that of another file by now.
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
