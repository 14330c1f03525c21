"""`zinfo top` as a program in a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.theme import Theme

from zinfo.top.glyphs import Glyphs
from zinfo.top.source import Source
from zinfo.top.terminal.base_screen import BaseScreen
from zinfo.top.terminal.fleet_screen import FleetScreen
from zinfo.top.terminal.help_screen import HelpScreen
from zinfo.top.terminal.look import Looker

REDRAW_INTERVAL = 0.5
"""Seconds between two redraws."""

_REST = 6  # times the CPU time of a redraw until the next one


_THEME = Theme(
    name="terminal",
    primary="ansi_blue",
    secondary="ansi_cyan",
    warning="ansi_yellow",
    error="ansi_red",
    success="ansi_green",
    accent="ansi_cyan",
    foreground="ansi_default",
    background="ansi_default",
    surface="ansi_default",
    panel="ansi_default",
    boost="ansi_default",
    variables={
        "footer-background": "ansi_default",
        "footer-foreground": "ansi_default",
        "footer-key-background": "ansi_default",
        "footer-key-foreground": "ansi_cyan",
        "footer-description-background": "ansi_default",
        "footer-description-foreground": "ansi_default",
        "input-cursor-background": "ansi_default",
        "input-cursor-foreground": "ansi_default",
        "input-cursor-text-style": "reverse",
        "input-selection-background": "ansi_blue",
    },
)
"""Uses only the terminal's own colours."""


class TopApp(App[None]):
    """Shows the model until the user quits.

    Args:
        source: owns the model.
        glyphs: the characters to draw with.
        colours: whether to use colours.
    """

    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", "Suspend", show=False, priority=True),
    ]

    def __init__(self, source: Source, glyphs: Glyphs, *, colours: bool = True) -> None:
        with _no_color(not colours):
            super().__init__(ansi_color=True)  # the terminal's own sixteen
        self.source = source
        self.glyphs = glyphs
        self.register_theme(_THEME)
        self.theme = _THEME.name
        self._next_redraw = 0.0
        self.animation_level = "none"  # animations cost bandwidth over ssh

    def on_mount(self) -> None:
        """Show the first screen and start redrawing."""
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit)
        self.push_screen(FleetScreen(self.source, self.glyphs, Looker(self.source)))
        self.set_interval(REDRAW_INTERVAL, self._redraw_in_turn)

    def _redraw_in_turn(self) -> None:
        """Redraw, but less often where that takes long: keys come first."""
        if time.monotonic() >= self._next_redraw:
            began = time.thread_time()
            self.redraw()
            self._next_redraw = time.monotonic() + _REST * (time.thread_time() - began)

    def redraw(self) -> None:
        """Redraw the screen that is visible, also below a frame, from the model."""
        for screen in reversed(self.screen_stack):
            if isinstance(screen, BaseScreen):
                if screen.ready:
                    screen.redraw()
                return
            if not screen.is_modal:
                return

    def action_help(self) -> None:
        """Open the help."""
        self.push_screen(HelpScreen())


@contextlib.contextmanager
def _no_color(enabled: bool) -> Iterator[None]:
    """Set NO_COLOR, or unset it, for the `with` block: textual only checks whether it exists."""
    former = os.environ.pop("NO_COLOR", None)
    if enabled:
        os.environ["NO_COLOR"] = "1"
    try:
        yield
    finally:
        os.environ.pop("NO_COLOR", None)
        if former is not None:
            os.environ["NO_COLOR"] = former
