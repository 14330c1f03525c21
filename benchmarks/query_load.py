"""Query load at a fixed rate beside another measurement, and its latency."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from benchmarks.histogram import merged, milliseconds
from benchmarks.worker import Worker

_CLIENTS = 8
_MIX = {"one": 1, "field": 1}  # all fields of one shard, and one field of one shard


def start_query_clients(stack: contextlib.ExitStack, daemon: Worker, rate: float) -> Worker:
    """Start query clients, which send nothing until `measure_queries`.

    Args:
        stack: Ends them.
        daemon: The daemon that they query.
        rate: Queries a second, of all clients together.
    """
    options: dict[str, Any] = {"clients": _CLIENTS, "rate": rate, "mix": _MIX, "realtime": True}
    endpoint = daemon.started["query"]
    return stack.enter_context(Worker("query_client", gevent=False, endpoint=endpoint, **options))


def measure_queries(
    daemon: Worker, clients: Worker, seconds: float, *, rounds: int = 1, settle: float = 0.0
) -> tuple[list[float], list[dict[str, Any]]]:
    """Send queries for a while, in one or more rounds.

    Args:
        daemon: The daemon that is queried.
        clients: The query clients.
        seconds: Length of a round.
        rounds: How many rounds.
        settle: Seconds before each round, in which the daemon catches up on delayed polls.

    Returns:
        The 99th percentile of the latency in each round, in milliseconds; and the details of
        each round.

    Raises:
        RuntimeError: A reply was wrong, an error, or missing.
    """
    seen = []
    for _ in range(rounds):
        time.sleep(settle)
        daemon.call("reset")
        result = clients.call("send_queries", seconds=seconds)
        if result["wrong"] or result["lost"] or result["errors"]:
            raise RuntimeError(f"not all replies were right: {result}")
        times = milliseconds(merged(result.pop("times").values()))
        seen.append({"times": times, "asker": result, "lateness": daemon.call("report")})
    return [each["times"]["p99"] for each in seen], seen
