"""Tests of the sources of shards."""
