"""The demo on a terminal: a table that is redrawn in place, on the alternate screen."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable

from rich.console import Console
from rich.live import Live

from zinfo.demo.screen import Frame, Summary, draw

REDRAW_SECONDS = 0.25
"""Seconds between two frames."""

_SUMMARY_LINES = 6  # the summary, the command line above it and the prompt below


class LiveView:
    """Draws frames in place, and leaves the last one behind. A context manager.

    On the alternate screen a frame is drawn over the former one without erasing it, so that nothing
    flickers, and the terminal's former content is there again at the end.

    Args:
        notify_reaper: tells the reaper which terminal to restore.
    """

    interval = REDRAW_SECONDS

    def __init__(self, notify_reaper: Callable[[str], None]) -> None:
        self._console = Console()
        self._notify_reaper = notify_reaper
        self._last: Frame | None = None
        self._live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> LiveView:
        with contextlib.suppress(OSError):
            self._notify_reaper(f"screen {os.ttyname(sys.stdout.fileno())}")
        self._live.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        with contextlib.suppress(OSError):  # the terminal may be closed
            self._live.stop()
            self._print_last()
        self._notify_reaper("normal")

    def show(self, frame: Frame) -> None:
        """Draw a frame."""
        self._last = frame
        size = self._console.size
        self._live.update(draw(frame, size.width, size.height), refresh=True)

    def start(self, program: str, count: int) -> None:
        """Print what is being started, on the normal screen."""
        self._print(f"Starting {count} x {program} and a daemon ...")

    def end(self, summary: Summary) -> None:
        """Print the summary, on the normal screen."""
        with contextlib.suppress(OSError):  # the terminal may be closed
            self._print("")
            for line in summary.lines():
                self._print(line)

    def _print(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False)

    def _print_last(self) -> None:
        if self._last is not None:
            size = self._console.size
            self._console.print(draw(self._last, size.width, size.height - _SUMMARY_LINES))
