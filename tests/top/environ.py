"""The environment of a daemon whose shards and events a view shows soon."""

from __future__ import annotations

SOON = {
    "ZINFO_POLL_MIN_INTERVAL": "0.05",
    "ZINFO_POLL_MAX_INTERVAL": "0.1",
    "ZINFO_POLL_TIMEOUT": "10",
    "ZINFO_BUS_HEARTBEAT": "0.5",
}
"""Frequent polls and heartbeats; a slow server or daemon is not taken for a dead one."""
