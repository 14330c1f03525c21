"""Finds the Redis, Valkey and KeyDB server processes of this machine.

Begin with `watcher.py`; `process_table.py` reads the table of processes (I/O), and `processes.py`
derives the address of a server from it (pure).
"""
