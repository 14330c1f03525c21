"""Dashboards for redis_exporter work unchanged: all metrics of INFO are the same.

On running servers values may change between two scrapes; of stored texts they are equal.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.exporter import MISSING, PROGRAM, Exporter, running_exporter
from tests.info_texts import TEXTS
from tests.metrics.exporter_comparison import compare, compare_with, fetch, table, watching
from tests.metrics.loaded_servers import loaded_servers
from tests.metrics.shards import metrics_of
from tests.promises import Promise
from tests.server_kinds import ServerKind, available_kinds
from tests.stored_replies import StoredReplies
from zinfo.shards.snapshot import Snapshot

pytestmark = pytest.mark.skipif(shutil.which(PROGRAM) is None, reason=MISSING)


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    with running_exporter() as running:
        yield running


@pytest.fixture(scope="module")
def replies() -> Iterator[StoredReplies]:
    with StoredReplies({"server": b""}).running() as running:
        yield running


def kinds() -> list[Any]:
    """Each kind of server; those between the default and the newest one only at night."""
    found = available_kinds()
    newest = max(found, key=lambda kind: kind.version, default=None)
    return [
        pytest.param(kind, marks=[] if kind in (found[0], newest) else pytest.mark.slow)
        for kind in found
    ]


@pytest.mark.parametrize("kind", kinds(), ids=str)
def test_each_metric_from_info_equals_that_of_redis_exporter(
    kind: ServerKind, exporter: Exporter, promise: Promise
) -> None:
    with loaded_servers(kind) as servers, watching(*servers.values()) as daemon:
        for role, server in servers.items():
            rows = compare_with(server, daemon, exporter)
            assert not [row for row in rows if row.is_wrong], table(f"{kind}, {role}", rows)
            same = sum(row.verdict == "same" for row in rows)
            assert same > (50 if role == "Sentinel" else 100), table(f"{kind}, {role}", rows)
            promise(f"{kind}, {role}", "INFO's metrics as redis_exporter's", f"{same} the same")


@pytest.mark.parametrize("text", [name for name in TEXTS if not name.startswith("handmade-")])
def test_each_metric_of_a_stored_text_equals_that_of_redis_exporter(
    text: str, exporter: Exporter, replies: StoredReplies
) -> None:
    replies.texts["server"] = TEXTS[text]
    theirs = fetch(f"{exporter.url}/scrape?target={replies.urls['server']}")
    own = metrics_of(Snapshot(TEXTS[text], 1, time.time(), 0.0))
    rows = list(compare(theirs, own, own))
    wrong = [row for row in rows if row.is_wrong]
    if text.startswith("redis-2.4."):  # version 1.45 reads no databases without `avg_ttl`
        wrong = [
            row for row in wrong if row.name not in ("redis_db_keys", "redis_db_keys_expiring")
        ]
    assert not wrong, table(text, rows)
    assert sum(row.verdict == "same" for row in rows) > 10
