"""Shards: their identity, state, newest INFO and events, and the registry of live shards.

Imports `info`, `wire` and `loop`, and neither redis-py nor ZeroMQ. Nearly all other packages of the
daemon use these classes. Begin with `shard.py`, `snapshot.py` and `registry.py`; `source.py` is the
protocol of an object that delivers snapshots.
"""
