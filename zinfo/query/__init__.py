"""Queries: the ROUTER socket, and the operations behind every server adapter.

Imports `shards` (answers come from the newest snapshots), `security`, `sockets` and `wire`. Begin
with `servicer.py`, then `operations.py`, which names each operation, and `router.py`.
"""
