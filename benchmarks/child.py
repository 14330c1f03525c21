"""The child's end of `side.Side`: commands in by stdin, answers out by stdout, a JSON line each."""

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


def answer(line: str | bytes, handlers: Handlers) -> None:
    """Run one command of the parent and answer it."""
    command = json.loads(line)
    what = command.pop("do")
    answered = cost() if what == "cost" else handlers[what](**command)
    os.write(sys.stdout.fileno(), json.dumps({"answer": answered}).encode() + b"\n")


def obey(handlers: Handlers) -> None:
    """Answer the parent's commands until it goes; in a process patched by gevent."""
    for line in _lines():
        answer(line, handlers)


def _lines() -> Iterable[bytes]:
    # Not sys.stdin: reading it would hold up the event loop.
    from gevent.fileobject import FileObjectPosix  # noqa: PLC0415 (most sides run without gevent, which this would load)

    lines: Iterable[bytes] = FileObjectPosix(sys.stdin.fileno(), "rb", close=False)
    return lines


class Meter:
    """CPU and wall time of this process from construction to `read`."""

    def __init__(self) -> None:
        self._cpu = time.process_time()
        self._wall = time.monotonic()

    def read(self) -> dict[str, Any]:
        """Return seconds of CPU and wall time, and memory in bytes now and at the most."""
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
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {
        "memory": _own_memory(),
        "peak_memory": peak * (1 if sys.platform == "darwin" else 1024),
    }


def _own_memory() -> int:
    # Without what is mapped from files: that counts or not by whether others map it, too.
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("RssAnon:"):
                return 1024 * int(line.split()[1])
    return int(psutil.Process().memory_info().rss)
