"""The base class of the screens that show the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.screen import Screen

from zinfo.top.glyphs import Glyphs
from zinfo.top.source import Source
from zinfo.top.terminal.filter_bar import FilterBar
from zinfo.top.terminal.footer import Footer
from zinfo.top.terminal.history import EventsPane
from zinfo.top.terminal.lines import Lines

EVENTS = 500
"""Number of events in the events pane."""


class BaseScreen(Screen[None]):
    """A screen with a filter and an events pane.

    Args:
        source: owns the model.
        glyphs: the characters to draw with.
        hint: placeholder of the filter.
        complete: returns the completions of a word of the filter; None for no completion.

    Attributes:
        ready: whether it is mounted.
    """

    AUTO_FOCUS = ""  # else a key pressed before `on_mount` could be typed into the hidden filter
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("e", "events", "Events"),
        Binding("question_mark", "app.help", "Help", key_display="?"),
        Binding("q", "app.quit", "Quit"),
    ]
    DEFAULT_CSS = "BaseScreen { background: ansi_default; color: ansi_default; }"

    def __init__(
        self,
        source: Source,
        glyphs: Glyphs,
        hint: str,
        complete: Callable[[str], Sequence[str]] | None = None,
    ) -> None:
        super().__init__()
        self.source = source
        self.glyphs = glyphs
        self.ready = False
        self.bar = FilterBar(hint, complete)
        self.pane = EventsPane(glyphs)
        self.pane.display = False
        self.footer = Footer()

    def redraw(self) -> None:
        """Read the model and show it."""
        raise NotImplementedError

    def main(self) -> Lines:
        """Return the main widget, which gets the keys."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Focus the main widget."""
        self.ready = True
        self.main().focus()
        self.redraw()

    def on_unmount(self) -> None:
        """Stop redrawing."""
        self.ready = False

    def on_screen_resume(self) -> None:
        """Show what has changed while another screen was in front."""
        if self.ready:
            self.redraw()

    def divide_lines(self, height: int) -> None:
        """Set the heights of the widgets.

        Args:
            height: lines of the screen.
        """

    def on_resize(self, event: events.Resize) -> None:
        """Adapt to the new size."""
        self.divide_lines(event.size.height)
        self.call_after_refresh(self.redraw)

    def action_filter(self) -> None:
        """Open the filter."""
        self.bar.open()

    def action_events(self) -> None:
        """Show or hide the events pane."""
        self.pane.display = not self.pane.display
        if self.pane.display:
            self.pane.follow()
            self.call_after_refresh(self.redraw)
        else:
            self.main().focus()

    def on_filter_bar_left(self) -> None:
        """Focus the main widget again."""
        self.main().focus()
