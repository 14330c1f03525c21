"""The fields of INFO that are read of all shards: some always, others while a view needs them."""

from __future__ import annotations

from collections.abc import Collection

BASE = (
    "run_id",
    "uptime_in_seconds",
    "total_commands_processed",
    "total_connections_received",
    "total_net_input_bytes",
    "total_net_output_bytes",
    "keyspace_hits",
    "keyspace_misses",
    "instantaneous_ops_per_sec",
    "used_memory",
    "maxmemory",
    "connected_clients",
    "evicted_keys",
    "master_last_io_seconds_ago",
    "master_link_down_since_seconds",
)
"""Fields that are always read: those that show a restart or a reset, and those of the series."""

MAX_FIELDS = 256
"""Fields that are read in all. Each costs the daemon some microseconds for 1,000 shards."""


class WantedFields:
    """What the open views need. Threads may call it at any time."""

    def __init__(self) -> None:
        self._by_view: dict[str, frozenset[str]] = {}

    def set(self, view: str, fields: Collection[str]) -> bool:
        """Set what a view needs from now on, instead of what it needed before.

        Args:
            view: a name for the view; its own.
            fields: of INFO; empty when it is closed.

        Returns:
            Whether a field is needed that was not before.
        """
        before, by_view = self._by_view, dict(self._by_view)
        by_view.pop(view, None)
        if fields:
            by_view[view] = frozenset(fields)
        self._by_view = by_view  # replaced as a whole, so that a reader needs no lock
        return not frozenset(fields) <= frozenset().union(BASE, *before.values())

    def all(self) -> tuple[str, ...]:
        """Return the fields to be read, at most `MAX_FIELDS`, those of the first views first."""
        found = dict.fromkeys(BASE)
        for fields in self._by_view.values():
            found |= dict.fromkeys(sorted(fields))
        return tuple(found)[:MAX_FIELDS]
