"""Programs that write what daemons publish into another system. They import clients only.

`nats` is `zinfo sink nats`: a JetStream key-value bucket, deltas, and a stream of events.
"""
