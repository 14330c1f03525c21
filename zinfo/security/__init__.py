"""Who may connect, and what each client may see and call.

CURVE keys (`access`), bearer tokens (`tokens`), ZeroMQ's authentication protocol (`zap`) and rights
(`rights`, `bus_rights`). Imports `sockets`, `shards` and `wire`. Begin with `rights.py`.
"""
