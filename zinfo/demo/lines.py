"""The demo on a pipe: a line for whatever is new, as text or as JSON."""

from __future__ import annotations

import json
import math
import time
from dataclasses import asdict

import click

from zinfo.demo.rows import (
    NOTHING,
    Row,
    clock_text,
    count_text,
    event_text,
    memory_text,
    ratio_text,
    seconds_text,
)
from zinfo.demo.screen import Picture, Summary
from zinfo.wire.lifecycle import Event

LINE_SECONDS = 1.0
"""Shortest time from one line about a shard to the next."""


class LineView:
    """Prints each event as it comes, and each shard when there is a newer INFO.

    A context manager.
    """

    interval = 0.1  # seconds from one look to the next

    def __init__(self) -> None:
        self._seen = 0  # number of the newest event shown
        self._in_trouble = False
        self._shown: dict[str, tuple[int, float]] = {}  # revision and elapsed time of the last line

    def __enter__(self) -> LineView:
        return self

    def __exit__(self, *_exc: object) -> None:
        pass

    def show(self, picture: Picture) -> None:
        """Print what is new in a picture."""
        if not self._shown:
            self.begin(picture)
        if bool(picture.problem) != self._in_trouble:
            self._in_trouble = bool(picture.problem)
            self.trouble(picture.problem)
        for event in picture.events:
            if event.number > self._seen:
                self._seen = event.number
                self.event(event)
        for row in picture.rows:
            revision, at = self._shown.get(row.shard, (0, -math.inf))
            if row.revision != revision and picture.elapsed >= at + LINE_SECONDS:
                self._shown[row.shard] = (row.revision, picture.elapsed)
                self.row(row)

    def start(self, program: str, count: int) -> None:
        """Say what is being started."""
        click.echo(f"zinfo demo: {count} x {program} and a daemon")

    def end(self, summary: Summary) -> None:
        """Say what there was."""
        for line in summary.lines():
            click.echo(line)

    def begin(self, picture: Picture) -> None:
        """Say where the daemon answers."""
        click.echo(f"Ask it yourself: zinfo get --connect {picture.query}")

    def trouble(self, problem: str) -> None:
        """Say that the shards may not be current any more, and why; "" says that they are again."""
        news = f"STALE: {problem}" if problem else "current again"
        click.echo(f"{clock_text(time.time())} {news}")

    def event(self, event: Event) -> None:
        """Print one event."""
        click.echo(f"{clock_text(event.time)} {event.shard:<15} EVENT {event_text(event)}")

    def row(self, row: Row) -> None:
        """Print one shard."""
        words = [
            clock_text(time.time()),
            f"{row.shard:<15}",
            f"{row.state:<5}",
            f"{row.role or NOTHING:<6}",
            row.version or NOTHING,
            f"{count_text(row.ops):>5} ops/s",
            f"{memory_text(row.memory):>5}",
            f"{count_text(row.clients):>3} clients",
            f"{count_text(row.keys):>4} keys",
            f"{ratio_text(row.hit_ratio):>4} hits",
            f"every {seconds_text(row.interval)}",
        ]
        click.echo(" ".join(words))


class JsonView(LineView):
    """The same for machines: one JSON object a line, each with its `kind`."""

    def start(self, program: str, count: int) -> None:
        """Say what is being started."""
        self._print("start", {"program": program, "servers": count})

    def end(self, summary: Summary) -> None:
        """Say what there was."""
        self._print("end", asdict(summary))

    def begin(self, picture: Picture) -> None:
        """Say where the daemon answers."""
        self._print("ready", {"connect": picture.query})

    def trouble(self, problem: str) -> None:
        """Say that the shards may not be current any more, and why; "" says that they are again."""
        self._print("trouble", {"problem": problem})

    def event(self, event: Event) -> None:
        """Print one event."""
        self._print("event", event.as_map())

    def row(self, row: Row) -> None:
        """Print one shard."""
        age = row.age if math.isfinite(row.age) else None
        self._print("shard", {"time": time.time(), **asdict(row), "age": age})

    def _print(self, kind: str, fields: dict[str, object]) -> None:
        click.echo(json.dumps({"kind": kind, **fields}))
