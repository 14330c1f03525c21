"""The base class of what opens over a screen, in a frame, and ends with a result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input

from zinfo.top.glyphs import FANCY, Glyphs
from zinfo.top.terminal.footer import Footer

T = TypeVar("T")

MARGIN = 2
"""Lines and columns of the screen that stay visible on each side of the frame."""


class FramedScreen(ModalScreen[T]):
    """A frame in the middle of the screen, above the last line, which lists the keys.

    Subclasses implement `content`.

    Args:
        title: in the frame's upper edge.
        glyphs: the characters to draw with.
        max_width: of the frame, in columns.
    """

    DEFAULT_CSS = """
    FramedScreen { align: center middle; background: ansi_default; color: ansi_default; }
    FramedScreen #frame {
        border: round ansi_default; background: ansi_default; color: ansi_default;
        border-title-color: ansi_default; border-title-style: bold; padding: 0 1; height: auto;
    }
    FramedScreen Input, FramedScreen Input:focus {
        border: none; height: 1; padding: 0; background: ansi_default; color: ansi_default;
    }
    """

    def __init__(self, title: str, glyphs: Glyphs, *, max_width: int = 78) -> None:
        super().__init__()
        self.glyphs = glyphs
        self._max_width = max_width
        self.frame = Vertical(id="frame")
        self.frame.border_title = title
        if glyphs is not FANCY:
            self.frame.styles.border = ("ascii", "ansi_default")

    def content(self) -> Iterator[Widget]:
        """Yield the widgets in the frame."""
        raise NotImplementedError

    def fit_frame(self) -> None:
        """Adapt the widgets to the size of the screen."""

    def compose(self) -> ComposeResult:
        """Create the widgets."""
        with self.frame:
            yield from self.content()
        yield Footer()

    @property
    def room(self) -> int:
        """How many lines fit into the frame."""
        return max(1, int(self.app.size.height) - 2 * MARGIN - 2)

    def on_mount(self) -> None:
        """Adapt to the size."""
        self.on_resize()

    def on_resize(self) -> None:
        """Adapt to the size."""
        self.frame.styles.width = max(4, min(self._max_width, self.app.size.width - 2 * MARGIN))
        self.fit_frame()


class TextScreen(FramedScreen["str | None"]):
    """Asks for a line of text.

    Args:
        title: what is asked for.
        glyphs: the characters to draw with.
        max_length: of the text, in characters.
    """

    def __init__(self, title: str, glyphs: Glyphs, *, max_length: int) -> None:
        super().__init__(title, glyphs, max_width=50)
        self._line = Input(max_length=max_length)

    BINDINGS = [("escape", "leave", "Back")]  # noqa: RUF012 (textual's)

    def content(self) -> Iterator[Widget]:
        """Yield the line."""
        yield self._line

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """End with the text."""
        event.stop()
        self.dismiss(event.value.strip() or None)

    def action_leave(self) -> None:
        """End without a text."""
        self.dismiss(None)
