"""Patches the standard library for gevent, and searches for gevent's plugins once.

`monkey.patch_all` asks importlib.metadata for its plugins some 25 times, and each time that reads
a file of every installed package: 0.1 to 0.3 s of CPU, a third of what it takes to start a daemon.
"""

from __future__ import annotations

from importlib import metadata

from gevent import monkey


def patch_all() -> None:
    """Do what `gevent.monkey.patch_all()` does, plugins included, in less time."""
    search = metadata.entry_points
    metadata.entry_points = search().select
    try:
        monkey.patch_all()
    finally:
        metadata.entry_points = search
