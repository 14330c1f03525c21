"""Dashboards for redis_exporter work unchanged: all metrics of INFO are the same."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.exporter import MISSING, PROGRAM, Exporter, running_exporter
from tests.metrics.exporter_comparison import compare_with, table, watching
from tests.metrics.loaded_servers import loaded_servers
from tests.promises import Promise
from tests.server_kinds import ServerKind, available_kinds

pytestmark = pytest.mark.skipif(shutil.which(PROGRAM) is None, reason=MISSING)


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    with running_exporter() as running:
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
