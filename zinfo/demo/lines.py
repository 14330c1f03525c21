"""The demo on a pipe: one line for each new event and INFO, as text or as JSON."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict

import click

from zinfo.demo.screen import Frame, Summary
from zinfo.views.columns import SORTABLE
from zinfo.views.formatting import DAEMON, clock_text, event_text, safe
from zinfo.views.rows import Row
from zinfo.wire.lifecycle import Event

LINE_SECONDS = 1.0
"""Least time between two lines about the same shard."""


class LineView:
    """Prints each new event, and each shard when it has newer INFO. A context manager."""

    interval = 0.1  # seconds between two frames

    def __init__(self) -> None:
        self._newest_event = 0  # number of the newest event that was printed
        self._stale = False
        self._printed: dict[str, tuple[int, float]] = {}  # revision and time of the last line

    def __enter__(self) -> LineView:
        return self

    def __exit__(self, *_exc: object) -> None:
        pass

    def show(self, frame: Frame) -> None:
        """Print what is new in a frame."""
        if not self._printed:
            self.print_endpoint(frame.query)
        if bool(frame.problem) != self._stale:
            self._stale = bool(frame.problem)
            self.print_problem(frame.problem)
        for event in frame.events:
            if event.number > self._newest_event:
                self._newest_event = event.number
                self.print_event(event)
        for row in frame.rows:
            revision, at = self._printed.get(row.shard, (0, -math.inf))
            if row.revision != revision and frame.elapsed >= at + LINE_SECONDS:
                self._printed[row.shard] = (row.revision, frame.elapsed)
                self.print_row(row)

    def start(self, program: str, count: int) -> None:
        """Print what is being started."""
        click.echo(f"zinfo demo: {count} x {program} and a daemon")

    def end(self, summary: Summary) -> None:
        """Print the summary."""
        for line in summary.lines():
            click.echo(line)

    def print_endpoint(self, query: str) -> None:
        """Print how to query the daemon."""
        click.echo(f"Query it yourself: zinfo get --connect {query}")

    def print_problem(self, problem: str) -> None:
        """Print that the shards are stale, and why; that they are current again where ""."""
        text = f"STALE: {problem}" if problem else "current again"
        click.echo(f"{clock_text(time.time())} {text}")

    def print_event(self, event: Event) -> None:
        """Print one event."""
        shard = safe(event.shard) or DAEMON
        click.echo(f"{clock_text(event.time)} {shard:<15} EVENT {event_text(event)}")

    def print_row(self, row: Row) -> None:
        """Print one shard."""
        text = {name: column.text(row) for name, column in SORTABLE.items()}
        words = [
            clock_text(time.time()),
            f"{text['shard']:<15}",
            f"{row.shown_state:<5}",
            f"{text['role']:<7}",
            text["version"],
            f"{text['ops']:>5} ops/s",
            f"{text['memory']:>5}",
            f"{text['clients']:>3} clients",
            f"{text['keys']:>4} keys",
            f"{text['hits']:>5} hits",
            f"interval {text['interval']}",
        ]
        click.echo(" ".join(words))


class JsonView(LineView):
    """Prints the same for programs: one JSON object per line, each with its `kind`."""

    def start(self, program: str, count: int) -> None:
        """Print what is being started."""
        self._print("start", {"program": program, "servers": count})

    def end(self, summary: Summary) -> None:
        """Print the summary."""
        self._print("end", asdict(summary))

    def print_endpoint(self, query: str) -> None:
        """Print the daemon's query endpoint."""
        self._print("ready", {"connect": query})

    def print_problem(self, problem: str) -> None:
        """Print why the shards are stale; "" where they are current again."""
        self._print("trouble", {"problem": problem})

    def print_event(self, event: Event) -> None:
        """Print one event."""
        self._print("event", event.as_map())

    def print_row(self, row: Row) -> None:
        """Print one shard."""
        self._print("shard", {"time": time.time(), **row_as_map(row)})

    def _print(self, kind: str, fields: dict[str, object]) -> None:
        click.echo(json.dumps({"kind": kind, **fields}))


def row_as_map(row: Row) -> dict[str, object]:
    """Return a shard as a map for JSON; the role is as in INFO."""
    return {
        "shard": row.shard,
        "state": row.state,
        "role": row.role,
        "version": row.version,
        "ops": row.ops,
        "memory": row.memory,
        "clients": row.clients,
        "keys": row.keys,
        "hit_ratio": row.hit_ratio_overall,
        "interval": row.interval,
        "age": row.age if math.isfinite(row.age) else None,
        "revision": row.revision,
        "stale": not row.fresh,
    }
