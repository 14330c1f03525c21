"""PromQL that counts a shard once, although several daemons of a fleet export it.

The daemons of a fleet differ in the label `zinfo_member`, which the scrape configuration sets. The
copies of one shard have all other labels in common. A daemon that is not scraped has no series, so
what remains is that of the others. Without the label, nothing changes.
"""

from __future__ import annotations

from typing import Final

MEMBER: Final = "zinfo_member"
"""The label that distinguishes the daemons of a fleet."""

SHARD: Final = "job, zinfo, instance"
"""Labels that identify a shard in Prometheus: `instance` alone may stand in several fleets."""


def one(expr: str, choice: str = "max") -> str:
    """Return an expression with one series in place of those of all copies.

    Args:
        expr: its results have all labels of the series.
        choice: which copy counts: `max` or `min`. Copies differ by what happened between two polls.
    """
    return f"{choice} without ({MEMBER}) ({expr})"


def one_state(place: str) -> str:
    """Return an expression with one state of each shard: 2 if a daemon says `up`, otherwise 1.

    Args:
        place: label matchers that select the shards.
    """
    up, each = f'zinfo_shard_state{{{place}, state="up"}}', f"zinfo_shard_state{{{place}}}"
    return f"topk by ({SHARD}) (1, {up} * 2 or {each})"
