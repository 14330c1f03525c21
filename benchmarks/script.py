"""Common parts of all scripts: command-line options, amount of work, and output."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from benchmarks.cores import Cores
from benchmarks.figures import Figure
from benchmarks.report import machine, table
from benchmarks.servers import TooFewFilesError


@dataclass(frozen=True)
class Scale:
    """Amount of work.

    Attributes:
        rounds: Number of rounds of each process.
        seconds: Measured seconds of a round.
        shards: Number of shards, unless the table says few, many or all.
        few: Number of shards where the table says few.
        many: Number of shards where the table says many, or all.
        rate: Polls a second of one process, of all its shards together.
        polls: Polls of each shard before memory is measured.
        snapshots: Snapshots published in a round.
        frames: Frames of the largest message that a hostile peer sends.
        fields: Lines of the largest INFO.
        flood: Small messages of a flood.
        connects: Connections of a flood.
        reloaded: Shards of a configuration that is reloaded.
        texts: Short texts in a request; as many as fit into 64 KiB.
        head_bytes: Bytes of the largest head of an HTTP request.
        health: Longest time for a response of /healthz, in seconds.
    """

    rounds: int = 5
    seconds: float = 4.0
    shards: int = 1_000
    few: int = 100
    many: int = 10_000
    rate: float = 10_000
    polls: int = 3_600
    snapshots: int = 5_000
    frames: int = 3_000_000
    fields: int = 1_600_000
    flood: int = 100_000
    connects: int = 500
    reloaded: int = 5_000
    texts: int = 32_000
    head_bytes: int = 6_000_000
    health: float = 5.0

    def interval(self, shards: int) -> float:
        """Return the seconds between two polls of a shard, for this number of shards."""
        return shards / self.rate


FULL = Scale()
SMOKE = Scale(
    rounds=3,
    seconds=0.3,
    shards=100,
    few=20,
    many=200,
    rate=1000,
    polls=60,
    snapshots=1000,
    frames=6000,
    fields=5000,
    flood=5000,
    connects=20,
    reloaded=200,
    texts=800,
    head_bytes=20_000,
    health=0.5,
)

_GIVEN = {
    "rounds": "rounds of each process",
    "seconds": "measured seconds of a round",
    "rate": "polls a second of one process, of all its shards together",
}  # fields of the scale that are options, with their help texts

Run: TypeAlias = Callable[[Scale, Collection[str]], list[Figure]]


def main(run: Run, numbers: Sequence[str], description: str | None) -> None:
    """Run one script by itself, and print its part of the table.

    Args:
        run: Measures: takes the amount of work and the wanted targets.
        numbers: Numbers of the targets that it measures.
        description: What it measures, for `--help`.
    """
    parser = options(description)
    parser.add_argument(
        "--only", metavar="NUMBERS", help=f"measure only these targets, of {','.join(numbers)}"
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="also write the figures here")
    given = parser.parse_args()
    wanted = given.only.split(",") if given.only else numbers
    if unknown := set(wanted) - set(numbers):
        parser.error(f"--only: not measured here: {', '.join(sorted(unknown))}")
    scale = chosen(given)
    figures = measure(run, scale, wanted)
    print(table(figures))
    if given.json:
        given.json.write_text(json.dumps(results(figures, scale), indent=1) + "\n")


def options(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the options for the amount of work."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--smoke", action="store_true", help="do very little, only to see that it works"
    )
    for name, what in _GIVEN.items():
        kind = type(getattr(FULL, name))
        parser.add_argument(f"--{name}", type=kind, metavar="N", help=what)
    return parser


def chosen(given: argparse.Namespace) -> Scale:
    """Return the amount of work that the options request."""
    changes = {name: value for name in _GIVEN if (value := getattr(given, name)) is not None}
    return dataclasses.replace(SMOKE if given.smoke else FULL, **changes)


def measure(run: Run, scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Run one script; if the machine allows too few open files, its figures are skipped."""
    Cores.OTHERS.hold(0)
    try:
        return run(scale, wanted)
    except TooFewFilesError as error:
        print(error, file=sys.stderr)
        return [Figure(number, skipped=str(error)) for number in wanted]


def results(figures: Sequence[Figure], scale: Scale) -> dict[str, object]:
    """Return the content of a results file."""
    return {
        "machine": machine(),
        "parameters": dataclasses.asdict(scale),
        "figures": {figure.number: figure.as_map() for figure in figures},
    }
