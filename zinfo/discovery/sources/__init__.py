"""Kinds of sources: files, HTTP, Redis Cluster, Sentinel, DNS; each a subclass of `Source`."""
