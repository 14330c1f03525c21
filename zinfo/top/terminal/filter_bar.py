"""The line in which a filter is typed."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Label

from zinfo.top.formatting import safe


class FilterBar(Horizontal):
    """A line to type in, with what is wrong with it at the right.

    It is there while something is typed, or filtered.

    Args:
        hint: what to type, while nothing is.
    """

    DEFAULT_CSS = """
    FilterBar { height: 1; display: none; background: ansi_default; color: ansi_default; }
    FilterBar.-shown { display: block; }
    FilterBar Label { width: auto; text-style: bold; }
    FilterBar Input, FilterBar Input:focus {
        border: none; height: 1; padding: 0; width: 1fr;
        background: ansi_default; color: ansi_default;
    }
    FilterBar #wrong { color: ansi_red; text-style: bold; padding: 0 0 0 1; max-width: 70%; }
    """

    class Typed(Message):
        """The text is another; `text` has it."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """Somebody is done typing."""

    def __init__(self, hint: str) -> None:
        super().__init__()
        self._hint = hint

    def compose(self) -> ComposeResult:
        """Make the parts."""
        yield Label("/ ")
        yield Input(placeholder=self._hint, select_on_focus=False)
        yield Label("", id="wrong", markup=False)

    @property
    def text(self) -> str:
        """What is typed."""
        return self.query_one(Input).value

    def open(self) -> None:
        """Have something typed."""
        self.add_class("-shown")
        self.query_one(Input).focus()

    def clear(self) -> None:
        """Take away what was typed, and the line."""
        self.query_one(Input).value = ""
        self.remove_class("-shown")

    def tell(self, wrong: str) -> None:
        """Show what is wrong with the text; "" for nothing."""
        self.query_one("#wrong", Label).update(safe(wrong))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Tell of each change as it is typed."""
        event.stop()
        self.post_message(self.Typed(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Leave with what is typed; an empty line goes."""
        event.stop()
        if not event.value.strip():
            self.clear()
        self.post_message(self.Left())
