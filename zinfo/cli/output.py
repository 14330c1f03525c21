"""Prints JSON lines, tables, INFO values as a server writes them, times and ages.

All text for people is cleaned by `printable`. Colours reach terminals only: click strips them
elsewhere, and `app` turns them off for NO_COLOR. Each line is flushed when it is printed.
"""

from __future__ import annotations

import json
import math
import select
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial

import click

from zinfo.cli.text import printable
from zinfo.errors import ZinfoError
from zinfo.views import formatting
from zinfo.views.formatting import NOTHING, STATE_COLOURS

value_text = partial(formatting.value_text, clean=printable)
"""Returns a value as INFO writes it: maps as `keys=1,expires=0`."""


def emit(line: str = "") -> None:
    """Print one line of output, or several joined lines.

    Raises:
        BrokenPipeError: the reader has closed the pipe.
        ZinfoError: the output cannot be written, for example to a full disk.
    """
    try:
        click.echo(line)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ZinfoError(f"the output cannot be written: {error.strerror}") from error


def raise_if_pipe_closed() -> None:
    """Raise BrokenPipeError if stdout is a pipe whose reader has closed it.

    A write would raise it, too, but a quiet stream may not write for a long time.
    """
    if sys.stdout is None:  # it was closed at the start
        return
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):  # not a file, as in some tests
        return
    poller = select.poll()
    poller.register(number, 0)  # poll() always reports errors
    if any(events & (select.POLLERR | select.POLLNVAL) for _, events in poller.poll(0)):
        raise BrokenPipeError


def note(message: str) -> None:
    """Print a message for people on stderr."""
    click.echo(printable(message), err=True)


def echo_json(value: object) -> None:
    """Print one JSON object as a line of ASCII."""
    try:
        line = json.dumps(value, allow_nan=False, default=str)
    except ValueError:
        line = json.dumps(_finite(value), default=str)
    emit(line)


def _finite(value: object) -> object:
    # JSON has no NaN or infinity; they are never values from a server, whose `nan` is text.
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def field_lines(name: str, value: object) -> Iterator[str]:
    """Yield the lines of a field as in INFO: `db0:keys=1,expires=0`; a list has one per item."""
    for item in value if isinstance(value, list) else [value]:
        yield f"{printable(name)}:{value_text(item)}"


def when(time: float) -> str:
    """Return a wall-clock time in UTC with milliseconds, as in the daemon's log."""
    try:
        moment = datetime.fromtimestamp(time, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return NOTHING
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def seconds(value: object) -> str:
    """Return a number of seconds as short text: `1.5 s`, `2 min 5 s`; NOTHING for None."""
    if not isinstance(value, int | float):
        return NOTHING
    if value < 100:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def text_or_nothing(value: object) -> str:
    """Return a value as text; NOTHING for None and for empty text."""
    return NOTHING if value is None or value == "" else printable(str(value))


def state_text(state: str, reason: str = "") -> str:
    """Return a state with its reason, in its colour."""
    text = f"{printable(state)} ({printable(reason)})" if reason else printable(state)
    return click.style(text, fg=STATE_COLOURS.get(state))


def echo_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table without borders, each column as wide as its widest cell.

    Rich's tables take six seconds for ten thousand rows; this takes a fraction of a second.

    Args:
        columns: the headings.
        rows: the cells, which may contain click's colours.
    """
    from rich.cells import cell_len  # knows characters that take two columns

    table = [[click.style(column, bold=True) for column in columns], *rows]
    widths = [[cell_len(click.unstyle(cell)) for cell in row] for row in table]
    widest = [max(column) for column in zip(*widths, strict=True)]
    for row, taken in zip(table, widths, strict=True):
        cells = (
            cell + " " * (most - width)
            for cell, width, most in zip(row, taken, widest, strict=True)
        )
        emit("  ".join(cells).rstrip())
