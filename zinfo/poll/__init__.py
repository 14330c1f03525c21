"""Polling: requests INFO from every live shard at the interval that its activity warrants.

Imports `shards` (the data of each server), `health` (counters), `loop` and `info`. Only the daemon
imports it; bus and queries use the protocol in `zinfo.shards.source` instead. Begin with
`poller.py`; `scheduler.py` decides when to poll, `connection.py` is the hot path, `handshake.py`
the slow path that connects.
"""
