"""The daemon: wires all parts together, handles signals and talks to systemd.

Imports nearly all other packages; only the command line and the demo import it. Begin with
`daemon.py`; `access_control.py` connects keys and rights to sockets, `shard_watchers.py` and
`server_adapters.py` create what the configuration enables, `reload.py` reads it again.
"""
