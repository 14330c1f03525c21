"""`zinfo top` as a program in a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterator
from typing import ClassVar

from textual.app import App
from textual.binding import Binding, BindingType
from textual.theme import Theme

from zinfo.top.glyphs import Glyphs
from zinfo.top.source import Source
from zinfo.top.terminal.fleet_screen import FleetScreen
from zinfo.top.terminal.help_screen import HelpScreen
from zinfo.top.terminal.viewing import Viewing

REDRAW = 0.5
"""Seconds from one look at the model to the next."""


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
"""The terminal's own colours, whatever they are."""


class TopApp(App[None]):
    """Shows what a feed knows, until somebody quits.

    Args:
        source: where the model is.
        glyphs: what the terminal can show.
        colours: whether to use any.
    """

    ENABLE_COMMAND_PALETTE = False
    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "quit", "Quit", show=False, priority=True),
        Binding("ctrl+z", "suspend_process", "Sleep", show=False, priority=True),
    ]

    def __init__(self, source: Source, glyphs: Glyphs, *, colours: bool = True) -> None:
        with _no_color(not colours):
            super().__init__(ansi_color=True)  # the terminal's own sixteen
        self.source = source
        self.glyphs = glyphs
        self.register_theme(_THEME)
        self.theme = _THEME.name
        self.animation_level = "none"  # each step of an animation is bytes on somebody's line

    def on_mount(self) -> None:
        """Begin to look."""
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self.exit)
        self.push_screen(FleetScreen(self.source, self.glyphs))
        self.set_interval(REDRAW, self.view)

    def view(self) -> None:
        """Have every screen look at the model; those below another one, too."""
        for screen in self.screen_stack:
            if isinstance(screen, Viewing) and screen.ready:
                screen.view()

    def action_help(self) -> None:
        """Show what the keys do."""
        self.push_screen(HelpScreen())


@contextlib.contextmanager
def _no_color(wanted: bool) -> Iterator[None]:
    """Have textual, which only looks at whether NO_COLOR is there, see it just if it is wanted."""
    former = os.environ.pop("NO_COLOR", None)
    if wanted:
        os.environ["NO_COLOR"] = "1"
    try:
        yield
    finally:
        os.environ.pop("NO_COLOR", None)
        if former is not None:
            os.environ["NO_COLOR"] = former
