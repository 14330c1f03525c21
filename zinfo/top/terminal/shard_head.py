"""The lines about the state of a shard, at the top of its page."""

from __future__ import annotations

from rich.style import Style

from zinfo.top.glyphs import Glyphs
from zinfo.top.terminal import styles
from zinfo.views.formatting import NOTHING, labels_text, role_text, safe, seconds_text
from zinfo.views.rows import Row

GONE = "This shard is no longer watched."
"""Shown where the daemon does not have the shard."""

Parts = list[tuple[str, Style]]


def status_line(row: Row | None, width: int, glyphs: Glyphs) -> Parts:
    """Return the state and since when, and what is known besides; as much as fits.

    Args:
        row: the shard; None where it is not watched.
        width: in columns.
        glyphs: the characters to draw with.
    """
    if row is None:
        return [(GONE, styles.BAD)]
    state = f"{row.state}: {row.reason}" if row.reason else row.state
    since = "" if row.since is None else f" for {seconds_text(row.since)}"
    shown = f"{state}{since}" if row.fresh else f"stale (was {state}{since})"
    parts: Parts = [
        (safe(shown), styles.state_style(row)),
        ("  ", styles.PLAIN),
        (f"{role_text(row.role)} {safe(row.version or NOTHING)}", styles.PLAIN),
        ("  interval ", styles.DIM),
        (seconds_text(row.interval if row.current else None), styles.PLAIN),
        ("  age ", styles.DIM),
        (seconds_text(row.age), styles.age_style(row)),
    ]
    return styles.cut(parts, width, glyphs)


def detail_lines(
    row: Row | None, copies: str, width: int, glyphs: Glyphs, lines: int
) -> list[Parts]:
    """Return the error of a shard that is down, in several lines; else its labels and daemons.

    Args:
        row: the shard; None where it is not watched.
        copies: which daemons poll it; "" for one.
        width: in columns.
        glyphs: the characters to draw with.
        lines: number of lines that there are.
    """
    made: list[Parts]
    if row is not None and row.state == "down" and row.error:
        wrapped = styles.wrap(safe(row.error), width, lines)
        made = [[(styles.fit(text, width, glyphs), styles.BAD)] for text in wrapped]
    else:
        text = "  ".join(filter(None, (labels_text(row.labels) if row else "", copies)))
        made = [[(styles.fit(text, width, glyphs), styles.PLAIN)]]
    return [*made, *([] for _ in range(lines - len(made)))][:lines]
