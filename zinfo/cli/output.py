"""How the commands print: JSON lines, tables, INFO values as a server writes them, times and ages.

Everything for people goes through `printable`, and colours reach terminals only (click strips them
elsewhere; `app` turns them off where NO_COLOR asks for it). Each line is flushed as it is printed.
"""

from __future__ import annotations

import json
import math
import select
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone

import click

from zinfo.cli.text import printable
from zinfo.errors import ZinfoError
from zinfo.wire.lifecycle import BUSY, DOWN, LOADING, NEW, UP

STATE_COLOURS = {UP: "green", DOWN: "red", LOADING: "yellow", BUSY: "yellow", NEW: "cyan"}
"""How the states of shards look, and the events that are named like them."""

NOTHING = "-"
"""Stands where there is no value."""


def emit(line: str = "") -> None:
    """Print one line of output, or several joined.

    Raises:
        BrokenPipeError: nobody reads it any more.
        ZinfoError: it cannot be written; a full disk, for one.
    """
    try:
        click.echo(line)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise ZinfoError(f"the output cannot be written: {error.strerror}") from error


def leave_if_nobody_reads() -> None:
    """Raise BrokenPipeError if stdout is a pipe whose reader is gone.

    A write would tell the same; but a quiet stream may have nothing to write for long.
    """
    if sys.stdout is None:  # it was closed when we were started
        return
    try:
        number = sys.stdout.fileno()
    except (OSError, ValueError):  # no file, as in some tests
        return
    poller = select.poll()
    poller.register(number, 0)  # errors are always told
    if any(told & (select.POLLERR | select.POLLNVAL) for _, told in poller.poll(0)):
        raise BrokenPipeError


def note(message: str) -> None:
    """Say something beside the output proper, on stderr."""
    click.echo(printable(message), err=True)


def echo_json(value: object) -> None:
    """Print one JSON object in a line of ASCII."""
    try:
        line = json.dumps(value, allow_nan=False, default=str)
    except ValueError:
        line = json.dumps(_finite(value), default=str)
    emit(line)


def _finite(value: object) -> object:
    # JSON has no word for these; a server's own `nan` is text anyway.
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def field_lines(name: str, value: object) -> Iterator[str]:
    """Yield a field as INFO has it: `db0:keys=1,expires=0`; a list has a line for each item."""
    for item in value if isinstance(value, list) else [value]:
        yield f"{printable(name)}:{value_text(item)}"


def value_text(value: object) -> str:
    """Return a value as INFO writes it: maps as `keys=1,expires=0`."""
    if isinstance(value, Mapping):
        return ",".join(pair for name, item in value.items() for pair in _pairs(name, item))
    if isinstance(value, list):
        return " ".join(map(value_text, value))
    return printable(str(value))


def _pairs(name: str, value: object) -> Iterator[str]:
    for item in value if isinstance(value, list) else [value]:
        yield f"{printable(name)}={value_text(item)}"


def when(time: float) -> str:
    """Return a wall-clock time in UTC, as the daemon's log has it, with milliseconds."""
    try:
        moment = datetime.fromtimestamp(time, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return NOTHING
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03}Z"


def seconds(value: object) -> str:
    """Return a number of seconds in words, short; NOTHING for None."""
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
    """Return a value as text for people; NOTHING for None and for empty text."""
    return NOTHING if value is None or value == "" else printable(str(value))


def coloured_state(state: str, reason: str = "") -> str:
    """Return a state with its reason, in its colour."""
    text = f"{printable(state)} ({printable(reason)})" if reason else printable(state)
    return click.style(text, fg=STATE_COLOURS.get(state))


def echo_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table without lines, each column as wide as its widest cell.

    Rich's own tables take six seconds for ten thousand rows; this takes a part of one.

    Args:
        columns: the headings.
        rows: the cells, which may hold colours of click.
    """
    from rich.cells import cell_len  # knows characters that are two columns wide

    table = [[click.style(column, bold=True) for column in columns], *rows]
    widths = [[cell_len(click.unstyle(cell)) for cell in row] for row in table]
    widest = [max(column) for column in zip(*widths, strict=True)]
    for row, taken in zip(table, widths, strict=True):
        cells = (
            cell + " " * (most - width)
            for cell, width, most in zip(row, taken, widest, strict=True)
        )
        emit("  ".join(cells).rstrip())
