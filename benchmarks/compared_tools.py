"""The tools that `comparison` measures: each polls the same servers, for its consumers."""

from __future__ import annotations

import contextlib
import http.client
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.exporter import PROGRAM
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.spawning import HOST, command_prefix, free_port
from tests.waiting import wait_until
from zinfo.client import Mirror

EXPORTER = PROGRAM
CLI = "redis-cli"


@dataclass(frozen=True)
class Tool:
    """A running tool.

    Attributes:
        consume: Does what one consumer does in each interval: reads the values of all servers.
        pids: Its processes.
        children: Whether its work is done by children of this process that end with it.
    """

    consume: Callable[[], object]
    pids: Sequence[int] = ()
    children: bool = False

    def cpu(self) -> float:
        """Return the CPU time that it has used so far, in seconds."""
        if self.children:
            usage = resource.getrusage(resource.RUSAGE_CHILDREN)
            return usage.ru_utime + usage.ru_stime
        return sum(map(cpu_of, self.pids))


def cpu_of(pid: int) -> float:
    """Return the CPU time of the threads of a process, in seconds.

    The kernel counts it in nanoseconds here. `cpu_times()` of psutil has a resolution of 10 ms,
    which is more than some of these processes use.
    """
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(path.read_text().split()[0]) for path in threads) / 1e9


class _Page:
    """A URL that is requested again and again over one connection."""

    def __init__(self, url: str, ups: int) -> None:
        parts = urlsplit(url)
        self._path = f"{parts.path}?{parts.query}"
        self._ups = ups
        self._connection = http.client.HTTPConnection(parts.netloc, timeout=10)

    def get(self) -> None:
        """Request it.

        Raises:
            RuntimeError: The metrics do not have this many servers that are up.
        """
        self._connection.request("GET", self._path)
        lines = self._connection.getresponse().read().decode().splitlines()
        ups = sum(line.startswith("redis_up") and line.endswith(" 1") for line in lines)
        if ups != self._ups:
            raise RuntimeError(f"{ups} servers are up instead of {self._ups}: {lines[-5:]}")

    def ready(self) -> bool:
        """Return whether the server accepts the request."""
        with contextlib.suppress(OSError, RuntimeError):
            self.get()
            return True
        self._connection.close()
        return False


def _get_all(pages: Sequence[_Page]) -> None:
    for page in pages:
        page.get()


@contextlib.contextmanager
def nothing(_servers: Sequence[RealServer], _interval: float, _consumers: int) -> Iterator[Tool]:
    """No tool: what the servers cost by themselves."""
    yield Tool(lambda: None)


@contextlib.contextmanager
def exporters(servers: Sequence[RealServer], _interval: float, _consumers: int) -> Iterator[Tool]:
    """One redis_exporter for each server; each consumer scrapes all of them."""
    with ExitStack() as stack:
        running = [stack.enter_context(_exporter(f"-redis.addr={one.url}")) for one in servers]
        pages = [_Page(f"http://{HOST}:{port}/metrics", 1) for port, _ in running]
        for page in pages:
            wait_until(page.ready, what="an exporter to reply")
        yield Tool(partial(_get_all, pages), [pid for _, pid in running])


@contextlib.contextmanager
def exporter(servers: Sequence[RealServer], _interval: float, _consumers: int) -> Iterator[Tool]:
    """One redis_exporter for all servers; each consumer scrapes each target."""
    with _exporter("-redis.addr=") as (port, pid):
        pages = [_Page(f"http://{HOST}:{port}/scrape?target={one.url}", 1) for one in servers]
        for page in pages:
            wait_until(page.ready, what="the exporter to reply")
        yield Tool(partial(_get_all, pages), [pid])


@contextlib.contextmanager
def _exporter(option: str) -> Iterator[tuple[int, int]]:
    """Run redis_exporter; yield its port and its process id."""
    port = free_port()
    process = subprocess.Popen(
        [
            *command_prefix(),
            shutil.which(EXPORTER) or EXPORTER,
            option,
            f"-web.listen-address={HOST}:{port}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield port, process.pid
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def script(servers: Sequence[RealServer], _interval: float, _consumers: int) -> Iterator[Tool]:
    """A shell script, as cron runs it: redis-cli writes the INFO of each server to a file.

    Each consumer has a script of its own.
    """
    folder = servers[0].directory
    lines = [
        f"{CLI} -h {one.host} -p {one.port} INFO everything > {folder}/info-{one.port}"
        for one in servers
    ]
    command = ["sh", "-c", "\n".join(lines)]
    yield Tool(lambda: subprocess.run(command, check=True, timeout=60), children=True)


@contextlib.contextmanager
def zinfo_metrics(servers: Sequence[RealServer], interval: float, _: int) -> Iterator[Tool]:
    """One zinfo daemon; each consumer scrapes `/metrics`."""
    with _zinfo(servers, interval) as daemon:
        page = _Page(f"{daemon.http}metrics", len(servers))
        wait_until(page.ready, what="zinfo to reply")
        yield Tool(page.get, [daemon.pid])


@contextlib.contextmanager
def zinfo_mirrors(servers: Sequence[RealServer], interval: float, count: int) -> Iterator[Tool]:
    """One zinfo daemon; each consumer has a Mirror, which receives all deltas."""
    with _zinfo(servers, interval) as daemon, ExitStack() as stack:
        mirrors = [stack.enter_context(Mirror(daemon.query)) for _ in range(count)]
        for mirror in mirrors:
            mirror.wait_ready()
        yield Tool(lambda: dict(mirrors[0].items()), [daemon.pid])


@contextlib.contextmanager
def _zinfo(servers: Sequence[RealServer], interval: float) -> Iterator[RunningDaemon]:
    """Run a daemon that polls each server once in an interval, as the other tools do."""
    config = f"[poll]\nmin_interval = {interval}\nmax_interval = {interval}\n"
    urls = [one.url for one in servers]
    with RunningDaemon(urls, http=True, config_text=config) as daemon:
        daemon.wait_polled(len(servers))
        yield daemon


TOOLS = {
    "redis_exporter, one per server": exporters,
    "redis_exporter, one for all servers": exporter,
    "cron script with redis-cli": script,
    "zinfo, /metrics": zinfo_metrics,
    "zinfo, a Mirror (deltas)": zinfo_mirrors,
}
"""The tools that are compared, by name."""
