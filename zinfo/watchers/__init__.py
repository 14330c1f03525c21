"""Watchers: they discover shards, and add and remove them in a `ShardPublisher`.

Imports `shards` (the registry) and `loop` (supervision, yields). The daemon and programs that embed
zinfo import it. Begin with `base.py`, then `static.py`; `local.py` discovers server processes, with
`process_table.py` (I/O) and `processes.py` (pure).
"""
