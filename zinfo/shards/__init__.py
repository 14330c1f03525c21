"""What is known of each server, and which servers are live.

Imports `info` and `wire`; imports neither redis-py nor ZeroMQ. Nearly everything above uses these
classes. Begin with `shard.py`, `snapshot.py` and `registry.py`; `source.py` is the protocol of
whatever brings snapshots.
"""
