"""Benchmarks of zinfo against what one would write without it; README.md describes the method."""
