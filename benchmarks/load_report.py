"""Summarizes the results of many query clients and subscribers, as values and as text."""

from __future__ import annotations

from collections import Counter
from typing import Any

from benchmarks.histogram import merged, milliseconds

_COLUMNS = ("p50", "p90", "p99", "p99.9", "max")
_TITLES = {name: name for name in _COLUMNS}


def summarize_queries(queried: list[dict[str, Any]], clients: int, rate: float) -> dict[str, Any]:
    """Return the summary of the query clients.

    Args:
        queried: Results of the `query_client` workers.
        clients: Number of clients in all of them.
        rate: Requested queries a second; 0 if as many as possible.
    """
    if not queried:
        return {}
    times = {}
    for name in sorted({name for one in queried for name in one["times"]}):
        histogram = merged(one["times"][name] for one in queried if name in one["times"])
        times[name] = {"answered": histogram.get_total_count(), **milliseconds(histogram)}
    seconds = max(one["seconds"] for one in queried)
    return {
        "clients": clients,
        "processes": len(queried),
        "rate_wanted": rate,
        "rate": sum(row["answered"] for row in times.values()) / seconds,
        "errors": dict(sum((Counter(one["errors"]) for one in queried), Counter())),
        "unasked": sum(one["unasked"] for one in queried),
        "lost": sum(one["lost"] for one in queried),
        "wrong": sum(one["wrong"] for one in queried),
        "examples": [text for one in queried for text in one["examples"]],
        "times": times,
    }


def summarize_subscribers(received: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the summary of the results of the `client_subscriber` workers."""
    if not received:
        return {}
    histogram = merged(one["times"] for one in received)
    return {
        "subscribers": len(received),
        "counts": [one["counts"] for one in received],
        **{name: sum(one[name] for one in received) for name in ("gaps", "stale", "restarts")},
        "wrong": sum(one["malformed"] for one in received),
        "heartbeat_late_ms": 1000 * max(one["heartbeat_late"] for one in received),
        "times": milliseconds(histogram) if histogram.get_total_count() else {},
    }


def summarize_daemon(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return what the daemon did during the load, from its counters before and after."""
    seconds = max(1e-3, after["uptime"] - before["uptime"])
    polls = after["poll"]["replies"] - before["poll"]["replies"]
    late = after["poll"]["late_seconds"] - before["poll"]["late_seconds"]
    dropped = Counter(after["query"]["dropped"])
    dropped.subtract(before["query"]["dropped"])
    return {
        "shards": after["shards"],
        "polls_per_second": polls / seconds,
        "late_ms": 1000 * late / max(1, polls),
        "hub_lag_max_ms": 1000 * after["hub_lag_max"],
        "dropped": {why: count for why, count in dropped.items() if count},
    }


def lines(result: dict[str, Any]) -> list[str]:
    """Return the result of `benchmarks.load` as lines of text."""
    queried, received, done = result["queries"], result["subscribers"], result["daemon"]
    text = []
    if queried:
        wanted = f" ({queried['rate_wanted']:g} requested)" if queried["rate_wanted"] else ""
        text += [
            f"{queried['rate']:.1f} queries/s{wanted}: {queried['clients']} clients in "
            f"{queried['processes']} processes; {sum(queried['errors'].values())} errors, "
            f"{queried['lost']} lost, {queried['unasked']} not sent, {queried['wrong']} wrong",
            *(f"  error {code}: {count}" for code, count in queried["errors"].items()),
            _row("ms", {"answered": "answered", **_TITLES}),
            *(_row(name, row) for name, row in queried["times"].items()),
        ]
    if received:
        updates = sum(one.get("delta", 0) + one.get("snapshot", 0) for one in received["counts"])
        text += [
            f"{received['subscribers']} subscribers: {received['gaps']} gaps, "
            f"{received['stale']} times stale, {received['restarts']} restarts, heartbeats "
            f"at most {received['heartbeat_late_ms']:.1f} ms late",
            _row("ms", {"answered": "updates", **_TITLES}),
            _row("to subscriber", {"answered": updates, **received["times"]}),
        ]
    text.append(
        f"meanwhile {done['polls_per_second']:.0f} polls/s of {sum(done['shards'].values())} "
        f"shards, on average {done['late_ms']:.2f} ms late; event loop at most "
        f"{done['hub_lag_max_ms']:.1f} ms late since its start"
    )
    return text + [f"  dropped, {why}: {count}" for why, count in done["dropped"].items()]


def _row(name: str, cells: dict[str, Any]) -> str:
    texts = [
        f"{cell:.2f}" if isinstance(cell, float) else str(cell)
        for cell in (cells.get(column, "") for column in ("answered", *_COLUMNS))
    ]
    return f"  {name:<14}" + "".join(f"{text:>10}" for text in texts)
