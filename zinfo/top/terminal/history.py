"""The events pane, with the newest event at the bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.style import Style
from textual.strip import Strip

from zinfo.top.glyphs import Glyphs
from zinfo.top.terminal import styles
from zinfo.top.terminal.lines import Lines
from zinfo.views.formatting import DAEMON, clock_text, event_text, safe
from zinfo.views.names import shorten
from zinfo.wire.lifecycle import Event

_SHARD_WIDTH = 26  # columns for the id of a shard, shortened in the middle


class EventsPane(Lines):
    """One line per event. It follows the newest event unless it was scrolled up.

    Args:
        glyphs: the characters to draw with.
    """

    DEFAULT_CSS = """
    EventsPane { height: 8; border-top: ascii ansi_default; border-title-color: ansi_default; }
    EventsPane:focus { border-title-style: reverse; }
    """

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(id="events")
        self._glyphs = glyphs
        self._events: Sequence[Event] = ()
        self._names: Mapping[str, str] = {}  # short ones of the shards, by id
        self._follows = True

    def follow(self) -> None:
        """Follow the newest event from now on."""
        self._follows = True

    def show_events(self, events: Sequence[Event]) -> None:
        """Show these events, oldest first."""
        ids = frozenset(safe(event.shard) for event in events if event.shard)
        if ids != self._names.keys():
            self._names = shorten(sorted(ids), _SHARD_WIDTH, self._glyphs.cut)
        self._events = events
        self.show(len(events))
        if self._follows:
            self.go_to(len(events))
        self.border_title = f"events ({self.position()})" if events else "events (none yet)"

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Follow the newest event if and only if it is visible."""
        super().watch_scroll_y(old_value, new_value)
        self._follows = self.first + self.room >= self.count

    def line(self, index: int, width: int) -> Strip:
        """Return the line of an event."""
        event = self._events[index]
        shard = safe(event.shard)
        shard = self._names.get(shard, shard) or DAEMON
        parts: list[tuple[str, Style]] = [
            (f"{clock_text(event.time)} ", styles.DIM),
            (styles.fit(shard, _SHARD_WIDTH, self._glyphs), styles.PLAIN),
            (" ", styles.PLAIN),
        ]
        room = width - sum(len(text) for text, _ in parts)
        text = event_text(event, detailed=True)
        if len(text) > room:
            text = styles.fit(text, room, self._glyphs)
        parts.append((text, styles.event_style(event.type)))
        return styles.strip(parts, width)
