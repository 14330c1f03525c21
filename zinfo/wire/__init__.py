"""What daemon and clients share: messages, addresses, keys and the daemon's identity.

Imports errors and nothing else of zinfo, and neither gevent nor redis-py, so that clients stay
light. Begin with `protocol.py`, beside docs/protocol.md.
"""
