"""The line for typing a filter, with completion and the filters that were used before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Input, Label

from zinfo.top.terminal.completion import common_prefix
from zinfo.views.formatting import safe

_MAX_FORMER = 50  # filters that up and down bring back
_MAX_LISTED = 40  # completions that are listed


class _Line(Input):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "submit", "Apply", key_display="Enter"),
    ]


class FilterBar(Vertical):
    """An input line; the result at its right; below it an error or completions, where there are.

    It is visible while a filter is typed or active.

    Args:
        hint: placeholder of the empty line.
        complete: returns the completions of the last word of a text, as whole words; None for no
            completion.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", "Complete", key_display="Tab"),
        Binding("up", "former(-1)", "Former", key_display="up"),
        Binding("down", "former(1)", "Next", show=False),
    ]
    DEFAULT_CSS = """
    FilterBar { height: auto; display: none; background: ansi_default; color: ansi_default; }
    FilterBar.-shown { display: block; }
    FilterBar Horizontal { height: 1; }
    FilterBar Label { width: auto; }
    FilterBar #mark { text-style: bold; }
    FilterBar Input, FilterBar Input:focus {
        border: none; height: 1; padding: 0; width: 1fr;
        background: ansi_default; color: ansi_default;
    }
    FilterBar #result { padding: 0 0 0 1; max-width: 50%; }
    FilterBar #error { color: ansi_red; text-style: bold; width: 1fr; display: none; }
    FilterBar #names { width: 1fr; height: 1; display: none; }
    """

    class Typed(Message):
        """The text changed to `text`."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """The user finished typing."""

    def __init__(self, hint: str, complete: Callable[[str], Sequence[str]] | None = None) -> None:
        super().__init__()
        self._complete = complete
        self._line = _Line(placeholder=hint, select_on_focus=False)
        self._result = Label("", id="result", markup=False)
        self._below = {name: Label("", id=name, markup=False) for name in ("error", "names")}
        self._former: list[str] = []  # the newest last
        self._at = 0  # of `_former`; its length for the text that is being typed

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        with Horizontal():
            yield Label("/ ", id="mark")
            yield self._line
            yield self._result
        yield from self._below.values()

    @property
    def text(self) -> str:
        """The text in the line."""
        return self._line.value

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool:  # noqa: ARG002
        """Return whether a key has an effect."""
        if action == "complete":
            return self._complete is not None
        return action != "former" or bool(self._former)

    def open(self) -> None:
        """Show the line and focus it."""
        self.add_class("-shown")
        self._at = len(self._former)
        self._line.focus()

    def set_text(self, text: str) -> None:
        """Put a text into the line, and show the line if there is any."""
        self.set_class(bool(text), "-shown")
        self._line.value = text

    def clear(self) -> None:
        """Delete the text and hide the line."""
        self._line.value = ""
        self.show_error("")
        self.remove_class("-shown")

    def show_error(self, message: str) -> None:
        """Show an error message below the line; "" removes it."""
        self._show_below("error", message)

    def show_result(self, text: str) -> None:
        """Show what the filter has found at the right; "" removes it."""
        if str(self._result.content) != text:
            self._result.update(text)

    def _show_below(self, name: str, text: str) -> None:
        label = self._below[name]
        label.display = bool(text)
        if str(label.content) != safe(text):
            label.update(safe(text))

    def on_input_changed(self, event: Input.Changed) -> None:
        """Post each change as it is typed."""
        event.stop()
        self._show_below("names", "")
        self.post_message(self.Typed(event.value))

    def action_submit(self) -> None:
        """Apply the filter and leave the line; hide the line if it is empty."""
        text = self.text.strip()
        if text:
            self._former = [*(one for one in self._former if one != text), text][-_MAX_FORMER:]
        else:
            self.clear()
        self._show_below("names", "")
        self.post_message(self.Left())

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Apply the filter: the input line takes the key itself."""
        event.stop()
        self.action_submit()

    def action_former(self, steps: int) -> None:
        """Bring back the filter before, or the one after it."""
        at = max(0, min(self._at + steps, len(self._former)))
        if at != self._at:
            self._at = at
            self._put(self._former[at] if at < len(self._former) else "")

    def action_complete(self) -> None:
        """Complete the last word as far as it is clear, and list what it may become."""
        if self._complete is None:
            return
        text = self.text
        start = max(text.rfind(" "), text.rfind("!"), text.rfind("(")) + 1
        found = self._complete(text[start:])
        if not found:
            self._show_below("names", "no completion")
            return
        common = common_prefix(found)
        if len(common) > len(text) - start:
            self._put(text[:start] + common)
        if len(found) > 1:
            self.call_after_refresh(self._show_below, "names", "  ".join(found[:_MAX_LISTED]))

    def _put(self, text: str) -> None:
        self._line.value = text
        self._line.cursor_position = len(text)
