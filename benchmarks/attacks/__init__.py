"""Workloads that load a daemon: hostile peers and expensive valid requests, each an `Attack`."""
