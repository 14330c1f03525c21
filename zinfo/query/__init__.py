"""Queries: the ROUTER socket, and the operations behind every server adapter.

Imports `shards` (results come from the newest snapshots), `security`, `sockets` and `wire`. Begin
with `servicer.py`, then `operations.py`, which has a table of all operations, and `router.py`.
"""
