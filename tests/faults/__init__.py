"""Faults of shards, of zinfo's own parts, of consumers and of their connections."""
