"""What daemon and clients share: messages, addresses, keys, and the daemon's identity.

It also has what errors suggest for an unknown name (`nearest.py`).

Imports only `zinfo.errors`, and neither gevent nor redis-py, so that clients start fast. Begin with
docs/reference/protocol.md, then `codec.py`, `bus_messages.py`, `query_messages.py` and
`column_pages.py`.
"""
