"""The metrics of the process are those of prometheus_client."""

from __future__ import annotations

import sys

import pytest
from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from zinfo.metrics.process_metrics import ProcessMetrics

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc")


def test_the_metrics_are_those_of_prometheus_client() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    ours.register(ProcessMetrics())
    ProcessCollector(namespace="zinfo", registry=theirs)
    mine, other = (generate_latest(one).decode().splitlines() for one in (ours, theirs))
    assert [line.split()[0] for line in mine] == [line.split()[0] for line in other]
    for line, of_other in zip(mine, other, strict=True):
        name, _, value = line.rpartition(" ")
        if line.startswith("#"):
            assert line == of_other
        elif name.endswith(("max_fds", "start_time_seconds")):
            assert float(value) == float(of_other.rpartition(" ")[2])
        else:
            assert float(value) == pytest.approx(float(of_other.rpartition(" ")[2]), rel=0.2, abs=3)
