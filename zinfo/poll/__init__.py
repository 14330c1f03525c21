"""Polling: asks every live shard for INFO as often as its activity warrants.

Imports `shards` (what is known of each), `health` (counters), `loop` and `info`. Only the daemon
imports it: bus and queries use the protocol `zinfo.shards.source` instead. Begin with `poller.py`;
`scheduler.py` decides when, `connection.py` is the hot path, `handshake.py` the slow one.
"""
