"""`zinfo sink nats`: the newest INFO of each shard in a NATS JetStream key-value bucket.

docs/reference/nats.md describes subjects, keys and values, and when a reader may call a value
fresh. Begin with the pure modules: `names` (keys and subjects), `values` (what is stored) and
`pending` (which shards wait to be written). `source` is the live copy that is written.
`connection`, `streams`, `bucket`, `deltas`, `events` and `heartbeat` talk to NATS; `sink` connects
all of them.

Only `connection`, `streams` and those that write import nats-py, which the extra `nats` installs.
"""
