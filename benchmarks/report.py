"""The table of figures as text and as Markdown, and a description of the machine.

As a program it prints the Markdown for a results file, which is the section of README.md between
two comments:

    python -m benchmarks.report                      # of the newest file in results/
    python -m benchmarks.report --write              # also writes it into README.md
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import textwrap
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import zmq

import zinfo
from benchmarks.figures import Figure, short
from benchmarks.targets import TARGETS
from zinfo.native.loader import native

README = Path(__file__).parent / "README.md"
RESULTS = Path(__file__).parent / "results"

BEGIN = "<!-- The results: `python -m benchmarks.report --write` writes these lines. -->\n"
"""The line of README.md before the section."""

END = "<!-- End of the results. -->\n"
"""The line of README.md after the section."""

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
    target, bound = figure.target, _bound(figure)
    if figure.skipped:
        return (figure.number, target.measure, bound, "-", "", "skipped", figure.skipped)
    met = "met" if target.met_by(figure.value) else "MISSED"
    value = short(figure.value)
    return (figure.number, target.measure, bound, value, _spread(figure), met, figure.note)


def _bound(figure: Figure) -> str:
    target = figure.target
    return f"{'>=' if target.at_least else '<='} {short(target.bound)} {target.unit}".rstrip()


def _spread(figure: Figure) -> str:
    if len(figure.values) < 2:
        return ""
    return f"{short(min(figure.values))} to {short(max(figure.values))}"


def newest_results() -> Path:
    """Return the newest results file; the names begin with the date."""
    return max(RESULTS.glob("*.json"))


def markdown(path: Path) -> str:
    """Return a results file as Markdown: what was measured where, and the table."""
    content = json.loads(path.read_text(encoding="utf-8"))
    stored = content["figures"]
    figures = [Figure.from_map(number, stored[number]) for number in TARGETS if number in stored]
    lines = [
        *textwrap.wrap(_origin(path, content["machine"]), 120, break_on_hyphens=False),
        "",
        "| | measure | target | measured | rounds | zinfo / the compared process |",
        "|---|---|---|---|---|---|",
        *map(_markdown_row, figures),
    ]
    return "\n".join(lines) + "\n"


def _origin(path: Path, described: dict[str, Any]) -> str:
    when = datetime.datetime.strptime(f"{path.stem}+0000", "%Y-%m-%d-%H%M%z")
    versions = ", ".join(f"{name} {described[name]}" for name in ("gevent", "pyzmq", "libzmq"))
    native_part = "with" if described["native"] else "without"
    return (
        f"The newest run is [{path.name}](results/{path.name}), of {when:%Y-%m-%d %H:%M} UTC: "
        f"zinfo {described['zinfo']} {native_part} the native part, {described['python']}, "
        f"{versions}; {described['cores']} cores ({described['processor']}), load average "
        f"{described['load_average'][0]:.1f} at the end. A figure that missed its target is in "
        "bold."
    )


def _markdown_row(figure: Figure) -> str:
    measure, bound = figure.target.measure, _bound(figure)
    if figure.skipped:
        cells = (figure.number, measure, bound, "", "", f"skipped: {figure.skipped}")
    else:
        value = short(figure.value)
        value = value if figure.target.met_by(figure.value) else f"**{value}**"
        cells = (figure.number, measure, bound, value, _spread(figure), figure.note)
    return f"| {' | '.join(cells)} |"


def update(readme: str, section: str) -> str:
    """Return the text of README.md with another section of results."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + section + END + after


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


def main() -> None:
    """Print the section of README.md for a results file."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.report", description="Print a results file as Markdown."
    )
    parser.add_argument(
        "file", type=Path, nargs="?", help="the results file [the newest in benchmarks/results]"
    )
    parser.add_argument(
        "--write", action="store_true", help="also replace the results in benchmarks/README.md"
    )
    given = parser.parse_args()
    section = markdown(given.file or newest_results())
    print(section, end="")
    if given.write:
        text = README.read_text(encoding="utf-8")
        README.write_text(update(text, section), encoding="utf-8")


if __name__ == "__main__":
    main()
