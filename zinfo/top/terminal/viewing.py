"""What the screens have in common: they look at the model, and show what they see."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.screen import Screen

from zinfo.top.glyphs import Glyphs
from zinfo.top.source import Source
from zinfo.top.terminal.filter_bar import FilterBar
from zinfo.top.terminal.history import EventsPane
from zinfo.top.terminal.lines import Lines

EVENTS = 500
"""The newest events that the pane has."""


class Viewing(Screen[None]):
    """A screen with a filter and an events pane.

    Args:
        source: where the model is.
        glyphs: what the terminal can show.
        hint: what to type into the filter.

    Attributes:
        ready: whether it can look.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("e", "events", "Events"),
        Binding("question_mark", "app.help", "Help", key_display="?"),
        Binding("q", "app.quit", "Quit"),
    ]
    DEFAULT_CSS = "Viewing { background: ansi_default; color: ansi_default; }"

    def __init__(self, source: Source, glyphs: Glyphs, hint: str) -> None:
        super().__init__()
        self.source = source
        self.glyphs = glyphs
        self.ready = False
        self.bar = FilterBar(hint)
        self.pane = EventsPane(glyphs)
        self.pane.display = False

    def view(self) -> None:
        """Look at the model, and show what is there now."""
        raise NotImplementedError

    def main(self) -> Lines:
        """Return the widget that keys are for."""
        raise NotImplementedError

    def on_mount(self) -> None:
        """Be ready for keys."""
        self.ready = True
        self.main().focus()
        self.view()

    def on_unmount(self) -> None:
        """Look no more."""
        self.ready = False

    def share_lines(self, height: int) -> None:
        """Share out the lines of the screen anew.

        Args:
            height: how many there are.
        """

    def on_resize(self, event: events.Resize) -> None:
        """Show what fits now."""
        self.share_lines(event.size.height)
        self.call_after_refresh(self.view)

    def action_filter(self) -> None:
        """Type a filter."""
        self.bar.open()

    def action_events(self) -> None:
        """Show the events pane, or take it away."""
        self.pane.display = not self.pane.display
        if self.pane.display:
            self.pane.follow()
            self.call_after_refresh(self.view)
        else:
            self.main().focus()

    def on_filter_bar_left(self) -> None:
        """Give the keys back."""
        self.main().focus()
