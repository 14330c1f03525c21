"""The lines of `watch` and `events`: events, changes, and interruptions of the stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from zinfo.cli.changes import UNKNOWN, Change
from zinfo.cli.output import (
    echo_json,
    emit,
    text_or_nothing,
    value_text,
    when,
)
from zinfo.cli.text import printable
from zinfo.views.formatting import NOTHING, STATE_COLOURS, role_text
from zinfo.wire.lifecycle import ROLE_CHANGED

if TYPE_CHECKING:
    from zinfo.client import Event

UNKNOWN_TEXT = "?"
"""Printed where the old value is unknown."""


def echo_event(event: Event, *, json: bool, origin: tuple[str, int] | None = None) -> None:
    """Print an event.

    Args:
        event: the event.
        json: whether to print a JSON object.
        origin: name and epoch of the daemon that counted it, of several; None for a single daemon.
    """
    if json:
        node, epoch = origin or ("", 0)
        named: dict[str, object] = {"node": node, "epoch": epoch} if node else {}
        echo_json({"update": "event", **event.as_map(), **named})
        return
    text = click.style(printable(event.type), fg=STATE_COLOURS.get(event.type), bold=True)
    if event.reason:
        text += f" ({printable(event.reason)})"
    if event.type == event.new:  # the type is the new state
        text += f", was {text_or_nothing(event.old)}" if event.old else ""
    elif event.old != event.new and event.old and event.new:
        of = role_text if event.type == ROLE_CHANGED else printable
        text += f": {of(event.old)} -> {of(event.new)}"
    if event.message:
        text += f": {printable(event.message)}"
    by = f"{printable(origin[0])} " if origin and origin[0] else ""
    _echo(event.time, event.shard, f"{by}#{event.number} {text}")


def echo_change(change: Change, *, json: bool) -> None:
    """Print a change of a field; of maps, only the pairs that differ."""
    if json:
        value = {"update": "change", **asdict(change)}
        if change.old is UNKNOWN:
            del value["old"]
        echo_json(value)
        return
    old, new = change.old, change.new
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        old, new = _without_same(old, new), _without_same(new, old)
    text = f"{printable(change.field)}: {_side(old)} -> {_side(new)}"
    _echo(change.time, change.shard, text)


def echo_interruption(kind: str, time: float, shard: str | None, text: str, *, json: bool) -> None:
    """Print an interruption of the stream.

    Args:
        kind: "gap", "stale", "restart" or "again" (after stale); of a fleet also "changeover",
            "missing" and "complete" (after missing).
        time: wall clock, seconds since the Unix epoch.
        shard: the shard concerned; None for all.
        text: one line for people.
        json: whether to print a JSON object.
    """
    if json:
        echo_json({"update": kind, "time": time, "shard": shard, "message": text})
    else:
        _echo(time, shard, click.style(f"{kind}: {printable(text)}", fg="yellow"))


def _echo(time: float, shard: str | None, text: str) -> None:
    shown = NOTHING if shard is None else click.style(printable(shard), fg="cyan")
    emit(f"{when(time)} {shown} {text}")


def _without_same(one: Mapping[str, object], other: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in one.items() if other.get(name) != value}


def _side(value: object) -> str:
    if value is UNKNOWN:
        return UNKNOWN_TEXT
    if value is None:
        return NOTHING
    return value_text(value) or '""'
