"""zinfo's own condition: counters, saturation, internal errors, file descriptors.

Imports `shards` for the event log, nothing above it. Everything that counts something imports this
package. Begin with `stats.py`.
"""
