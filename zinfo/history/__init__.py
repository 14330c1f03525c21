"""The daemon's short history: a few numbers of each shard at regular times, in bounded memory.

`series` says which numbers, and computes them from an INFO; `ring` stores those of one shard;
`grid` maps times to steps; `history` fills the rings of all shards as they are polled, and reads
them. Nothing is written to disk. The operation `history` (`zinfo.query.history_operations`) serves
it. Imports `zinfo.shards`, `zinfo.info` and `zinfo.native`.
"""
