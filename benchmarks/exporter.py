"""redis_exporter, as Debian packages it: one process that is scraped for each shard."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import psutil

from benchmarks.cores import Cores
from tests.spawning import HOST, command_prefix, free_port
from tests.waiting import wait_until

PROGRAM = "prometheus-redis-exporter"
MISSING = f"no {PROGRAM} on the PATH (Debian: apt-get install {PROGRAM})"


class Exporter:
    """A running redis_exporter.

    Args:
        port: where it listens.
        process: what runs.
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.url = f"http://{HOST}:{port}"  #: where it listens
        self._connection = http.client.HTTPConnection(HOST, port, timeout=10)
        self._process = psutil.Process(process.pid)

    def measure(self, urls: list[str], seconds: float) -> dict[str, Any]:
        """Scrape one server after the other for a while, and return what that cost it.

        Args:
            urls: the servers, each of which stands for many shards.
            seconds: how long.
        """
        began, cpu, polls = time.monotonic(), self._cpu(), 0
        while time.monotonic() - began < seconds:
            self._scrape(urls[polls % len(urls)])
            polls += 1
        return {
            "polls": polls,
            "cpu": self._cpu() - cpu,
            "wall": time.monotonic() - began,
            "memory": self._process.memory_info().rss,
        }

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _scrape(self, url: str) -> None:
        self._connection.request("GET", f"/scrape?target={url}")
        text = self._connection.getresponse().read()
        if b"\nredis_up 1\n" not in text:
            raise RuntimeError(f"redis_exporter says: {text[-500:]!r}")

    def answers(self) -> bool:
        """Return whether it listens."""
        try:
            self._connection.request("GET", "/")
            self._connection.getresponse().read()
        except OSError:
            self._connection.close()
            return False
        return True

    def _cpu(self) -> float:
        times = self._process.cpu_times()
        return float(times.user + times.system)


@contextlib.contextmanager
def running_exporter() -> Iterator[Exporter]:
    """Start redis_exporter, with its defaults but for where it listens."""
    port = free_port()
    command = [*command_prefix(), shutil.which(PROGRAM) or PROGRAM]
    process = subprocess.Popen(
        [*command, f"-web.listen-address={HOST}:{port}"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        Cores.MEASURED.hold(process.pid)
        exporter = Exporter(port, process)
        wait_until(exporter.answers, what=f"{PROGRAM} to listen")
        with contextlib.closing(exporter):
            yield exporter
    finally:
        process.kill()
        process.wait()
