"""The line for typing a filter."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label

from zinfo.views.formatting import safe


class FilterBar(Horizontal):
    """An input line, with an error message to its right.

    It is visible while a filter is typed or active.

    Args:
        hint: placeholder of the empty line.
    """

    DEFAULT_CSS = """
    FilterBar { height: 1; display: none; background: ansi_default; color: ansi_default; }
    FilterBar.-shown { display: block; }
    FilterBar Label { width: auto; text-style: bold; }
    FilterBar Input, FilterBar Input:focus {
        border: none; height: 1; padding: 0; width: 1fr;
        background: ansi_default; color: ansi_default;
    }
    FilterBar #error { color: ansi_red; text-style: bold; padding: 0 0 0 1; max-width: 70%; }
    """

    class Typed(Message):
        """The text changed to `text`."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """The user finished typing."""

    def __init__(self, hint: str) -> None:
        super().__init__()
        self._hint = hint

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        yield Label("/ ")
        yield Input(placeholder=self._hint, select_on_focus=False)
        yield Label("", id="error", markup=False)

    @property
    def text(self) -> str:
        """The text in the line."""
        return self.query_one(Input).value

    def open(self) -> None:
        """Show the line and focus it."""
        self.add_class("-shown")
        self.query_one(Input).focus()

    def clear(self) -> None:
        """Delete the text and hide the line."""
        self.query_one(Input).value = ""
        self.remove_class("-shown")

    def show_error(self, message: str) -> None:
        """Show an error message; "" removes it."""
        self.query_one("#error", Label).update(safe(message))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Post each change as it is typed."""
        event.stop()
        self.post_message(self.Typed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Keep the filter and leave the line; hide the line if it is empty."""
        event.stop()
        if not event.value.strip():
            self.clear()
        self.post_message(self.Left())
