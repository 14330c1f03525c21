"""`zinfo top --web` as a process, and a reader of its stream in the place of a browser."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode, urlsplit

import psutil

from benchmarks.cores import Cores
from benchmarks.worker import ROOT
from tests.spawning import HOST, command_prefix
from tests.waiting import wait_until
from zinfo.views.column_sets import BUILT_IN, DEFAULT, SPARK
from zinfo.views.counters import RESET_MARKERS
from zinfo.views.problems import FIELDS as PROBLEM_FIELDS
from zinfo.views.quantities import quantity

_START_TIMEOUT = 60.0  # seconds until it prints its address
_READ_TIMEOUT = 30.0  # seconds between two messages
_SHOWN = [quantity(name.removesuffix(SPARK)) for name in BUILT_IN[DEFAULT]]
_FIELDS = {*RESET_MARKERS, *PROBLEM_FIELDS}.union(*(one.fields for one in _SHOWN))
_KEYS = [("keys", field) for field in sorted(_FIELDS)]  # what the page shows first


class TopWeb:
    """A running `zinfo top --web`.

    Args:
        url: Its address.
        pid: Its process id.
    """

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self._process = psutil.Process(pid)

    def cost(self) -> dict[str, float]:
        """Return seconds of CPU time so far, and bytes of memory."""
        return {"cpu": self._cpu(), "memory": float(self._process.memory_info().rss)}

    def _cpu(self) -> float:
        if sys.platform == "linux":
            # The id of a process's CPU clock (clock_getcpuclockid of glibc): psutil reads ticks of
            # 10 ms, which is half of what an idle process uses in a round.
            return time.clock_gettime(~self._process.pid << 3 | 2)
        times = self._process.cpu_times()
        return float(times.user + times.system)


@contextlib.contextmanager
def running_top(endpoint: str) -> Iterator[TopWeb]:
    """Run `zinfo top --web` on the core for what is measured.

    Args:
        endpoint: The daemon's query endpoint.
    """
    command = [sys.executable, "-m", "zinfo", "top", f"--web={HOST}:0", f"--connect={endpoint}"]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([*command_prefix(), *command], cwd=ROOT, stdout=log, stderr=log)
        try:
            Cores.MEASURED.hold(process.pid)

            def printed_url() -> str | None:
                log.seek(0)
                text = log.read().decode()
                if process.poll() is not None:
                    raise RuntimeError(f"zinfo top ended: {text}")
                found = re.search(r"http://[^\s;]+", text)
                return found and found[0]

            url = wait_until(printed_url, _START_TIMEOUT, "zinfo top to print its address")
            assert url is not None
            yield TopWeb(url, process.pid)
        finally:
            process.terminate()
            process.wait()


class Page:
    """Reads what the page of a browser reads; entering opens it, leaving closes it.

    Args:
        url: Address of `zinfo top --web`.

    Attributes:
        shards: Numbers of the shards in the table.
        messages: Number of messages so far.
        size: Bytes so far.
    """

    def __init__(self, url: str) -> None:
        self.shards: set[int] = set()
        self.messages = self.size = 0
        self._address = urlsplit(url).netloc
        self._stopped = False
        self._thread = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> Page:
        self._connection = http.client.HTTPConnection(self._address, timeout=_READ_TIMEOUT)
        for path in ("/", "/view.json"):
            self._connection.request("GET", path)
            self._connection.getresponse().read()
        headers = {"Accept": "text/event-stream"}
        self._connection.request("GET", f"/api/v1/table?{urlencode(_KEYS)}", headers=headers)
        self._response = self._connection.getresponse()
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stopped = True
        self._thread.join()  # at the next message, a second later
        self._connection.close()

    def counts(self) -> dict[str, int]:
        """Return the numbers of shards, messages and bytes so far."""
        return {"shards": len(self.shards), "messages": self.messages, "bytes": self.size}

    def _read(self) -> None:
        for line in self._response:
            self.size += len(line)
            if line.startswith(b"data: "):
                self.messages += 1
                self._take(json.loads(line.removeprefix(b"data: ")))
            if self._stopped:
                return

    def _take(self, message: dict[str, Any]) -> None:
        self.shards.difference_update(message["gone"])
        self.shards.update(map(int, message["shards"]))
