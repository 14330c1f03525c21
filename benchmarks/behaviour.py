"""What the scripts about behaviour share: figures one by one, and questions at a steady rate."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Mapping, Sequence
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

    def add(
        self, number: str, values: float | Sequence[float], detail: Mapping[str, Any] | None = None
    ) -> None:
        """Add one figure, of one round or several, and say it."""
        if number in self._wanted:
            rounds = values if isinstance(values, Sequence) else [values]
            figure = Figure(number, rounds, detail=dict(detail or {}))
            self.all.append(figure)
            say(f"{figure.target.measure}: {figure.value:.2f} {figure.target.unit}")


def asking(stack: contextlib.ExitStack, daemon: Side, rate: float) -> Side:
    """Return clients that ask a daemon at a rate, when they are told to.

    Args:
        stack: ends them.
        daemon: whom they ask.
        rate: questions a second, of all of them together.
    """
    options: dict[str, Any] = {"clients": _CLIENTS, "rate": rate, "mix": _MIX, "hurried": True}
    endpoint = daemon.started["query"]
    return stack.enter_context(Side("asker", gevent=False, endpoint=endpoint, **options))


def asked(
    daemon: Side, asker: Side, seconds: float, *, rounds: int = 1, settle: float = 0.0
) -> tuple[list[float], list[dict[str, Any]]]:
    """Have questions asked for a while, in each of some rounds.

    Args:
        daemon: whom they are asked.
        asker: who asks.
        seconds: of a round.
        rounds: how many.
        settle: seconds before each, in which what the end of another has held up is made up for.

    Returns:
        The 99th percentiles of the time to an answer, in milliseconds; and all that was seen.

    Raises:
        RuntimeError: an answer was wrong, or did not come.
    """
    seen = []
    for _ in range(rounds):
        time.sleep(settle)
        daemon.do("forget")
        answers = asker.do("ask", seconds=seconds)
        if answers["wrong"] or answers["lost"] or answers["errors"]:
            raise RuntimeError(f"not all answers were right: {answers}")
        times = milliseconds(joined(answers.pop("times").values()))
        seen.append({"times": times, "asker": answers, "lateness": daemon.do("look")})
    return [each["times"]["p99"] for each in seen], seen
