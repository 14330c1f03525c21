"""Runs redis_exporter as packaged by Debian: one process, scraped once for each shard."""

from __future__ import annotations

import contextlib
import gzip
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
        port: Port that it listens on.
        process: Its process.
    """

    def __init__(self, port: int, process: subprocess.Popen[bytes]) -> None:
        self.url = f"http://{HOST}:{port}"  #: its base URL
        self._connection = http.client.HTTPConnection(HOST, port, timeout=10)
        self._process = psutil.Process(process.pid)

    def measure(
        self, urls: list[str], seconds: float, encoding: str = "identity"
    ) -> dict[str, Any]:
        """Scrape the servers in rotation for a while, and return the cost to the exporter.

        Args:
            urls: URLs of the servers, each of which represents many shards.
            seconds: How long to scrape.
            encoding: Content coding that is accepted.
        """
        began, cpu, polls, size = time.monotonic(), self._cpu(), 0, 0
        while time.monotonic() - began < seconds:
            size = self._scrape(urls[polls % len(urls)], encoding)
            polls += 1
        return {
            "polls": polls,
            "cpu": self._cpu() - cpu,
            "wall": time.monotonic() - began,
            "memory": self._process.memory_info().rss,
            "bytes": size,
        }

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _scrape(self, url: str, encoding: str) -> int:
        """Scrape one server; return the number of bytes that were sent."""
        headers = {"Accept-Encoding": encoding}
        self._connection.request("GET", f"/scrape?target={url}", headers=headers)
        response = self._connection.getresponse()
        sent = response.read()
        if response.headers.get("Content-Encoding", "identity") != encoding:
            raise RuntimeError(f"redis_exporter does not compress by {encoding}")
        text = gzip.decompress(sent) if encoding == "gzip" else sent
        if b"\nredis_up 1\n" not in text:
            raise RuntimeError(f"redis_exporter reports no redis_up: {text[-500:]!r}")
        return len(sent)

    def is_ready(self) -> bool:
        """Return whether it accepts requests."""
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
    """Run redis_exporter with its defaults, on a free port."""
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
        wait_until(exporter.is_ready, what=f"{PROGRAM} to listen")
        with contextlib.closing(exporter):
            yield exporter
    finally:
        process.kill()
        process.wait()
