"""Prometheus metrics: the INFO of shards, and the counters of zinfo itself. Pure: no socket here.

Imports `info`, `shards`, `security` and `health`. Begin with `names.py` (fields and metrics, from
the table of `exporter_table.py`), then `samples.py` (labels), `scrape.py` (the text) and
`self_metrics.py`.
"""
