"""Boxes, arrows and text as SVG, in colours for a light and a dark background."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

_STYLE = """\
.card{fill:#ffffff;stroke:#d0d7de}
.plain{fill:#f6f8fa;stroke:#8c959f}
.own{fill:#ddf4ff;stroke:#54aeff}
.client{fill:#dafbe1;stroke:#4ac26b}
.warn{fill:#fff8c5;stroke:#d4a72c}
.bad{fill:#ffebe9;stroke:#ff8182}
.frame{fill:none;stroke:#54aeff;stroke-dasharray:6 4}
.line{fill:none;stroke:#59636e;stroke-width:1.5}
.dashed{fill:none;stroke:#59636e;stroke-width:1.5;stroke-dasharray:4 3}
.life{fill:none;stroke:#d0d7de;stroke-width:1.5}
.lost{fill:none;stroke:#cf222e;stroke-width:1.5;stroke-dasharray:4 3}
.head{fill:#59636e}
text{fill:#1f2328;font:14px system-ui,-apple-system,"Segoe UI",Helvetica,Arial,sans-serif}
.strong{font-weight:600}
.note{fill:#59636e;font-size:12.5px}
.red{fill:#cf222e;font-size:12.5px}
.code{font:12.5px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
@media (prefers-color-scheme:dark){
.card{fill:#161b22;stroke:#30363d}
.plain{fill:#21262d;stroke:#656d76}
.own{fill:#0c2d4e;stroke:#388bfd}
.client{fill:#0f3320;stroke:#2ea043}
.warn{fill:#3b2e08;stroke:#9e7a14}
.bad{fill:#4a1618;stroke:#da3633}
.frame{stroke:#388bfd}
.line,.dashed{stroke:#9198a1}
.life{stroke:#3d444d}
.lost{stroke:#f85149}
.head{fill:#9198a1}
text{fill:#e6edf3}
.note{fill:#9198a1}
.red{fill:#f85149}
}
"""

_LINE_HEIGHT = 18
_HEAD = 7  # length of the head of an arrow


class Drawing:
    """One SVG image, with a background of its own, so that it is readable on any page.

    Args:
        width: in pixels.
        height: in pixels.
        title: describes the image for readers who cannot see it.
    """

    def __init__(self, width: int, height: int, title: str) -> None:
        self._width, self._height, self._title = width, height, title
        self._parts: list[str] = []

    def box(
        self, x: float, y: float, width: float, height: float, lines: Sequence[str] = (), *,
        kind: str = "plain",
    ) -> None:  # fmt: skip
        """Add a rectangle with centred text.

        Args:
            x: left edge.
            y: upper edge.
            width: of the rectangle.
            height: of the rectangle.
            lines: of text; the first one is bold, lines that begin with ` are code.
            kind: class of the rectangle.
        """
        self._parts.append(
            f'<rect class="{kind}" x="{x:g}" y="{y:g}" width="{width:g}" '
            f'height="{height:g}" rx="6"/>'
        )
        top = y + height / 2 - (len(lines) - 1) * _LINE_HEIGHT / 2 + 5
        for number, line in enumerate(lines):
            code = line.startswith("`")
            style = "code" if code else "note" if number else "strong"
            self.text(x + width / 2, top + number * _LINE_HEIGHT, line.strip("`"), style)

    def text(self, x: float, y: float, text: str, kind: str = "", anchor: str = "middle") -> None:
        """Add one line of text.

        Args:
            x: of its middle, start or end.
            y: of its base line.
            text: the line.
            kind: class of the text.
            anchor: middle, start or end.
        """
        style = f' class="{kind}"' if kind else ""
        self._parts.append(
            f'<text{style} x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(text)}</text>'
        )

    def arrow(
        self, *points: tuple[float, float], kind: str = "line", both: bool = False,
        head: bool = True,
    ) -> None:  # fmt: skip
        """Add an arrow of horizontal and vertical lines.

        Args:
            points: from start to end.
            kind: class of the line.
            both: whether it has a head at its start as well.
            head: whether it has a head at its end.
        """
        path = " L".join(f"{x:g},{y:g}" for x, y in points)
        self._parts.append(f'<path class="{kind}" d="M{path}"/>')
        if head:
            self._head(points[-2], points[-1])
        if both:
            self._head(points[1], points[0])

    def cross(self, x: float, y: float) -> None:
        """Add a cross, which marks something that did not arrive."""
        self._parts.append(
            f'<path class="lost" style="stroke-dasharray:none;stroke-width:2.5" '
            f'd="M{x - 6:g},{y - 6:g} l12,12 m0,-12 l-12,12"/>'
        )

    def _head(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        (x, y), half = end, _HEAD / 2
        dx, dy = (
            (end[0] > start[0]) - (end[0] < start[0]),
            (end[1] > start[1]) - (end[1] < start[1]),
        )
        corners = (
            (x, y),
            (x - dx * _HEAD - dy * half, y - dy * _HEAD - dx * half),
            (x - dx * _HEAD + dy * half, y - dy * _HEAD + dx * half),
        )
        points = " ".join(f"{one:g},{other:g}" for one, other in corners)
        self._parts.append(f'<polygon class="head" points="{points}"/>')

    def __str__(self) -> str:
        width, height = self._width, self._height
        return "\n".join(
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
                f'width="{width}" height="{height}" role="img">',
                f"<title>{escape(self._title)}</title>",
                f"<style>\n{_STYLE}</style>",
                f'<rect class="card" x="0.5" y="0.5" width="{width - 1}" '
                f'height="{height - 1}" rx="8"/>',
                *self._parts,
                "</svg>\n",
            )
        )


class SequenceDrawing(Drawing):
    """A sequence diagram: participants side by side, time from top to bottom.

    Args:
        width: in pixels.
        height: in pixels.
        title: describes the image for readers who cannot see it.
        participants: name, class of the box and position of the middle of each.
    """

    def __init__(
        self, width: int, height: int, title: str,
        participants: Sequence[tuple[str, str, float]],
    ) -> None:  # fmt: skip
        super().__init__(width, height, title)
        self._at = {name: x for name, _, x in participants}
        self.y = 78.0  #: where the next message goes
        for _, _, x in participants:
            self.arrow((x, 52), (x, height - 14), kind="life", head=False)
        for name, kind, x in participants:
            lines = name.split("\n")
            wide = max(len(line) for line in lines) * 8 + 22
            self.box(x - wide / 2, 14, wide, 42, lines, kind=kind)

    def message(
        self, sender: str, receiver: str, text: str, kind: str = "line", style: str = "note"
    ) -> None:
        """Add a message and move down.

        Args:
            sender: name of a participant.
            receiver: name of a participant.
            text: above the arrow.
            kind: class of the arrow; `lost` ends it before the receiver.
            style: class of the text.
        """
        start, end = self._at[sender], self._at[receiver]
        if kind == "lost":
            end = start + (end - start) * 0.8
            self.cross(end, self.y)
            style = "red"
        self.text((start + self._at[receiver]) / 2, self.y - 6, text, style)
        self.arrow((start, self.y), (end, self.y), kind=kind, head=kind != "lost")
        self.y += 34

    def step(self, where: str, lines: Sequence[str], kind: str = "own", width: float = 170) -> None:
        """Add a box on the line of a participant, and move down.

        Args:
            where: name of a participant.
            lines: of text.
            kind: class of the box.
            width: of the box.
        """
        height = len(lines) * _LINE_HEIGHT + 10
        self.box(self._at[where] - width / 2, self.y - 18, width, height, lines, kind=kind)
        self.y += height + 16
