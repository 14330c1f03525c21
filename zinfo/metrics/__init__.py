"""INFO and zinfo's own counters as Prometheus metrics. Pure: no socket here."""
