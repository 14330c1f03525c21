"""The bus: XPUB sockets that publish snapshots, deltas, lifecycle events and heartbeats.

There is one socket for each set of rights. Imports `sockets` (ZeroMQ under gevent), `security`
(what a set of rights may receive), `shards` and `wire`. Nothing here polls or serves queries.
Begin with `publisher.py` (what is sent), then `socket_set.py` and `socket.py` (where to).
"""
