"""What the scripts about behaviour share: figures one by one, and questions at a steady rate."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from typing import Any

from benchmarks.figures import Figure
from benchmarks.histogram import joined, milliseconds
from benchmarks.progress import say
from benchmarks.side import Side

_CLIENTS = 8
_MIX = {"one": 1, "field": 1}  # one shard whole, and one field of one shard


class Figures:
    """Collects the figures that are wanted.

    Args:
        wanted: numbers of the targets.
    """

    def __init__(self, wanted: Collection[str]) -> None:
        self._wanted = wanted
        self.all: list[Figure] = []

    def add(self, number: str, value: float, detail: Mapping[str, Any] | None = None) -> None:
        """Add one figure, and say it."""
        if number in self._wanted:
            figure = Figure(number, [value], detail=dict(detail or {}))
            self.all.append(figure)
            say(f"{figure.target.measure}: {value:.2f} {figure.target.unit}")


def asking(stack: contextlib.ExitStack, daemon: Side, rate: float) -> Side:
    """Return clients that ask a daemon at a rate, when they are told to.

    Args:
        stack: ends them.
        daemon: whom they ask.
        rate: questions a second, of all of them together.
    """
    endpoint = daemon.started["query"]
    return stack.enter_context(
        Side("asker", gevent=False, endpoint=endpoint, clients=_CLIENTS, rate=rate, mix=_MIX)
    )


def asked(daemon: Side, asker: Side, seconds: float) -> tuple[float, dict[str, Any]]:
    """Have questions asked for a while.

    Returns:
        The 99th percentile of the time to an answer, in milliseconds; and all that was seen.

    Raises:
        RuntimeError: an answer was wrong, or did not come.
    """
    daemon.do("forget")
    answers = asker.do("ask", seconds=seconds)
    if answers["wrong"] or answers["lost"] or answers["errors"]:
        raise RuntimeError(f"not all answers were right: {answers}")
    times = milliseconds(joined(answers.pop("times").values()))
    return times["p99"], {"times": times, "asker": answers, "lateness": daemon.do("look")}
