"""Logging of the daemon: to stderr, as text for people or as JSON for machines, in UTC."""

from __future__ import annotations

import logging
import time
from typing import Any

from zinfo.cli.text import printable, printable_lines


class TextFormatter(logging.Formatter):
    """`2026-11-23T08:00:00Z INFO zinfo.daemon: message`, a traceback below where there is one."""

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
    handler = logging.StreamHandler()
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
