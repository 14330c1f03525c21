"""`zinfo_bad_lines` counts the bad lines of all shards, whether their INFO was parsed or not."""

from __future__ import annotations

from zinfo import RedisShard, ShardPublisher
from zinfo.adapters.http.server import count_bad_lines
from zinfo.health.stats import Stats
from zinfo.metrics.self_metrics import SelfMetrics
from zinfo.shards.snapshot import Snapshot


def test_the_metric_counts_the_bad_lines_of_replies_that_were_not_parsed() -> None:
    publisher = ShardPublisher()
    for ident, raw in {"a": b"a:1\r\nwords\r\n:x\r\n", "b": b"a:1\r\n", "c": b"\0\na:1"}.items():
        shard = RedisShard(ident, "redis://127.0.0.1:1")
        publisher.add_shard(shard)
        shard.store(Snapshot(raw, 1, 0.0, 0.0), 0.0)
    publisher.add_shard(RedisShard("never polled", "redis://127.0.0.1:1"))
    metrics = SelfMetrics(
        Stats(), publisher.count_states, lambda: 0, lambda: count_bad_lines(publisher)
    )
    assert b"\nzinfo_bad_lines 3.0\n" in metrics.text()
