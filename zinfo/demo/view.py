"""The demo on a terminal: a table that is drawn anew, on a screen of its own."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable

from rich.console import Console
from rich.live import Live

from zinfo.demo.screen import Picture, Summary, draw

REDRAW_SECONDS = 0.25
"""From one picture to the next; ages and intervals move no faster."""

_SUMMARY_LINES = 6  # the summary, the command line above it and the prompt below


class LiveView:
    """Shows pictures in place, and leaves the last one behind. A context manager.

    The alternate screen is used, where a picture is drawn over the former one without erasing it:
    so nothing flickers, and what the terminal showed before is there again at the end.

    Args:
        tell_keeper: told which terminal needs to be given back.
    """

    interval = REDRAW_SECONDS

    def __init__(self, tell_keeper: Callable[[str], None]) -> None:
        self._console = Console()
        self._tell_keeper = tell_keeper
        self._last: Picture | None = None
        self._live = Live(
            console=self._console,
            screen=True,
            auto_refresh=False,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def __enter__(self) -> LiveView:
        with contextlib.suppress(OSError):
            self._tell_keeper(f"screen {os.ttyname(sys.stdout.fileno())}")
        self._live.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        with contextlib.suppress(OSError):  # the terminal may be gone
            self._live.stop()
            self._show_last()
        self._tell_keeper("normal")

    def show(self, picture: Picture) -> None:
        """Show what there is now."""
        self._last = picture
        size = self._console.size
        self._live.update(draw(picture, size.width, size.height), refresh=True)

    def start(self, program: str, count: int) -> None:
        """Say what is being started, on the terminal's own screen."""
        self._say(f"Starting {count} x {program} and a daemon ...")

    def end(self, summary: Summary) -> None:
        """Say what there was, on the terminal's own screen."""
        with contextlib.suppress(OSError):  # the terminal may be gone
            self._say("")
            for line in summary.lines():
                self._say(line)

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False)

    def _show_last(self) -> None:
        if self._last is not None:
            size = self._console.size
            self._console.print(draw(self._last, size.width, size.height - _SUMMARY_LINES))
