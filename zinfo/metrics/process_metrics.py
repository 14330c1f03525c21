"""ProcessMetrics: memory, CPU time and open files of the process, as prometheus_client has them.

Its own collector lists the open files, which holds the event loop for 14 ms in a process that has
19,000 of them: a connection to each shard. Linux 6.2 and later say their number without a list.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from zinfo.health import fd_limits

_STAT: Final = Path("/proc/self/stat")
_SYSTEM: Final = Path("/proc/stat")
_BOOT: Final = b"btime "


class ProcessMetrics(Collector):
    """The metrics of prometheus_client's `ProcessCollector` in the namespace `zinfo`; Linux only.

    https://www.man7.org/linux/man-pages/man5/proc_pid_stat.5.html describes the source.
    """

    def __init__(self) -> None:
        self._boot_time = _read_boot_time()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; none on other systems."""
        if not self._boot_time:
            return
        try:
            fields = _STAT.read_bytes().rpartition(b")")[2].split()  # a name may have spaces
        except OSError:  # no file descriptor is left, for example
            return
        user, system, started, size, pages = (int(fields[at]) for at in (11, 12, 19, 20, 21))
        ticks = os.sysconf("SC_CLK_TCK")
        resident = pages * os.sysconf("SC_PAGE_SIZE")
        yield _gauge("virtual_memory_bytes", "Virtual memory size in bytes.", size)
        yield _gauge("resident_memory_bytes", "Resident memory size in bytes.", resident)
        text = "Start time of the process since unix epoch in seconds."
        yield _gauge("start_time_seconds", text, started / ticks + self._boot_time)
        text = "Total user and system CPU time spent in seconds."
        cpu = (user + system) / ticks
        yield CounterMetricFamily("zinfo_process_cpu_seconds_total", text, value=cpu)
        yield _gauge("open_fds", "Number of open file descriptors.", fd_limits.count())
        yield _gauge("max_fds", "Maximum number of open file descriptors.", fd_limits.limit())


def _read_boot_time() -> float:
    """Return when the system started, in seconds since the Unix epoch; 0 if that is not known."""
    try:
        lines = _SYSTEM.read_bytes().splitlines()
    except OSError:
        return 0.0
    return next((float(line.removeprefix(_BOOT)) for line in lines if line.startswith(_BOOT)), 0.0)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"zinfo_process_{name}", text, value=value)
