"""The child's end of `worker.Worker`: reads commands from stdin, writes results to stdout.

Commands and results are one JSON object a line.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil

Handlers = Mapping[str, Callable[..., object]]


def handle_command(line: str | bytes, handlers: Handlers) -> None:
    """Run one command of the parent and write its result."""
    arguments = json.loads(line)
    name = arguments.pop("command")
    result = cost() if name == "cost" else handlers[name](**arguments)
    os.write(sys.stdout.fileno(), json.dumps({"result": result}).encode() + b"\n")


def serve_commands(handlers: Handlers) -> None:
    """Handle commands until the parent closes stdin; in a process that gevent has patched."""
    for line in _lines():
        handle_command(line, handlers)


def serve_commands_blocking(handlers: Handlers) -> None:
    """Handle commands until the parent closes stdin; in a process without gevent."""
    for line in sys.stdin:
        handle_command(line, handlers)


def _lines() -> Iterable[bytes]:
    # Not sys.stdin: reading it would block the event loop.
    # Most workers run without gevent, which an import at the top would load.
    from gevent.fileobject import FileObjectPosix  # noqa: PLC0415 - see above

    lines: Iterable[bytes] = FileObjectPosix(sys.stdin.fileno(), "rb", close=False)
    return lines


class Meter:
    """CPU and wall time of this process from construction to `read`."""

    def __init__(self) -> None:
        self._cpu = time.process_time()
        self._wall = time.monotonic()

    def read(self) -> dict[str, Any]:
        """Return seconds of CPU and wall time, and current and peak memory in bytes."""
        return {
            "cpu": time.process_time() - self._cpu,
            "wall": time.monotonic() - self._wall,
            **memory(),
        }


def cost() -> dict[str, Any]:
    """Return seconds of CPU time and bytes of memory of this process so far."""
    return {"cpu": time.process_time(), **memory()}


def memory() -> dict[str, int]:
    """Return this process's own memory now, and its largest resident size, in bytes."""
    return {"memory": _own_memory(), "peak_memory": _peak_memory()}


def _peak_memory() -> int:
    # Not ru_maxrss on Linux: a child begins with that of its parent, which may be greater.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return _status("VmHWM") or peak * (1 if sys.platform == "darwin" else 1024)


def _own_memory() -> int:
    # Without pages mapped from files: whether they are counted depends on other processes.
    return _status("RssAnon") or int(psutil.Process().memory_info().rss)


def _status(name: str) -> int:
    """Return a size of this process in bytes, as Linux reports it; 0 on other systems."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return 1024 * int(line.split()[1])
    return 0
