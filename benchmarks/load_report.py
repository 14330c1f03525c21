"""What a load showed: one result of what many clients and subscribers saw, and its words."""

from __future__ import annotations

from collections import Counter
from typing import Any

from benchmarks.histogram import merged, milliseconds

_COLUMNS = ("p50", "p90", "p99", "p99.9", "max")
_TITLES = {name: name for name in _COLUMNS}


def queries(asked: list[dict[str, Any]], clients: int, rate: float) -> dict[str, Any]:
    """Return what came of the questions.

    Args:
        asked: what the askers answered.
        clients: how many of them asked.
        rate: questions a second that there should have been; 0 for no such.
    """
    if not asked:
        return {}
    times = {}
    for name in sorted({name for one in asked for name in one["times"]}):
        histogram = merged(one["times"][name] for one in asked if name in one["times"])
        times[name] = {"answered": histogram.get_total_count(), **milliseconds(histogram)}
    seconds = max(one["seconds"] for one in asked)
    return {
        "clients": clients,
        "processes": len(asked),
        "rate_wanted": rate,
        "rate": sum(row["answered"] for row in times.values()) / seconds,
        "errors": dict(sum((Counter(one["errors"]) for one in asked), Counter())),
        "unasked": sum(one["unasked"] for one in asked),
        "lost": sum(one["lost"] for one in asked),
        "wrong": sum(one["wrong"] for one in asked),
        "examples": [text for one in asked for text in one["examples"]],
        "times": times,
    }


def subscribers(followed: list[dict[str, Any]]) -> dict[str, Any]:
    """Return what came to the subscribers, from what the followers answered."""
    if not followed:
        return {}
    histogram = merged(one["times"] for one in followed)
    return {
        "subscribers": len(followed),
        "counts": [one["counts"] for one in followed],
        **{name: sum(one[name] for one in followed) for name in ("gaps", "stale", "restarts")},
        "wrong": sum(one["malformed"] for one in followed),
        "heartbeat_late_ms": 1000 * max(one["heartbeat_late"] for one in followed),
        "times": milliseconds(histogram) if histogram.get_total_count() else {},
    }


def daemon(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return what the daemon did meanwhile, from its counters before and after."""
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
    """Return all of it for a terminal."""
    asked, followed, done = result["queries"], result["subscribers"], result["daemon"]
    told = []
    if asked:
        wanted = f" ({asked['rate_wanted']:g} asked for)" if asked["rate_wanted"] else ""
        told += [
            f"{asked['rate']:.1f} queries/s{wanted}: {asked['clients']} clients in "
            f"{asked['processes']} processes; {sum(asked['errors'].values())} errors, "
            f"{asked['lost']} lost, {asked['unasked']} not asked, {asked['wrong']} wrong",
            *(f"  error {code}: {count}" for code, count in asked["errors"].items()),
            _row("ms", {"answered": "answered", **_TITLES}),
            *(_row(name, row) for name, row in asked["times"].items()),
        ]
    if followed:
        updates = sum(one.get("delta", 0) + one.get("snapshot", 0) for one in followed["counts"])
        told += [
            f"{followed['subscribers']} subscribers: {followed['gaps']} gaps, "
            f"{followed['stale']} times stale, {followed['restarts']} restarts, heartbeats "
            f"at most {followed['heartbeat_late_ms']:.1f} ms late",
            _row("ms", {"answered": "updates", **_TITLES}),
            _row("to subscriber", {"answered": updates, **followed["times"]}),
        ]
    told.append(
        f"meanwhile {done['polls_per_second']:.0f} polls/s of {sum(done['shards'].values())} "
        f"shards, {done['late_ms']:.2f} ms late in the mean; event loop late by "
        f"{done['hub_lag_max_ms']:.1f} ms at most since its start"
    )
    return told + [f"  dropped, {why}: {count}" for why, count in done["dropped"].items()]


def _row(name: str, cells: dict[str, Any]) -> str:
    texts = [
        f"{cell:.2f}" if isinstance(cell, float) else str(cell)
        for cell in (cells.get(column, "") for column in ("answered", *_COLUMNS))
    ]
    return f"  {name:<14}" + "".join(f"{text:>10}" for text in texts)
