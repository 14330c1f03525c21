"""Watchers: they say which shards exist, and keep a publisher in step with it."""
