"""The table of figures, and a description of the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import psutil
import zmq

import zinfo
from benchmarks.figures import Figure, short
from zinfo.native.loader import native

_PACKAGES = (
    "gevent",
    "greenlet",
    "hiredis",
    "msgpack",
    "msgspec",
    "pyzmq",
    "redis",
    "hdrhistogram",
)
_HEAD = ("", "measure", "target", "measured", "spread", "", "zinfo / the other")


def table(figures: Sequence[Figure]) -> str:
    """Return the figures and their targets as a table, a line each."""
    rows = [_HEAD, *map(_row, figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, ...]:
    target = figure.target
    sign = ">=" if target.at_least else "<="
    bound = f"{sign} {short(target.bound)} {target.unit}".rstrip()
    if figure.skipped:
        return (figure.number, target.measure, bound, "-", "", "skipped", figure.skipped)
    spread = ""
    if len(figure.values) > 1:
        spread = f"{short(min(figure.values))} to {short(max(figure.values))}"
    met = "met" if target.met_by(figure.value) else "MISSED"
    value = short(figure.value)
    return (figure.number, target.measure, bound, value, spread, met, figure.note)


def machine() -> dict[str, object]:
    """Return what the figures depend on: machine, kernel, versions, load average."""
    return {
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "load_average": list(os.getloadavg()),
        "system": platform.platform(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "zinfo": zinfo.__version__,
        "native": native is not None,
        "libzmq": zmq.zmq_version(),
        **{name: version for name in _PACKAGES if (version := _version(name))},
    }


def _processor() -> str:
    about = Path("/proc/cpuinfo")
    if about.exists():
        for line in about.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
