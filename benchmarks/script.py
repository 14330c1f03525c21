"""What all scripts have in common: their options, how much they do, and what they print."""

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
    """How much is done.

    Attributes:
        rounds: turns that each worker has.
        seconds: what is measured of a turn.
        shards: where the table says nothing else: 1,000.
        few: where it says few: 100.
        many: where it says many, or all: 10,000.
        rate: polls a second that all shards of one worker together are to have.
        polls: of each shard, where memory is measured: 3,600.
        snapshots: published in a turn.
        frames: of the largest message that a hostile peer sends.
        fields: lines of the largest INFO.
        flood: small messages of a flood.
        connects: connections of a flood.
        reloaded: shards of a configuration that is read again.
        texts: short ones, which fit into a request of 64 KiB.
        head_bytes: of the largest head of an HTTP request.
        health: seconds for an answer of /healthz, at most.
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
        """Return the seconds from one poll of a shard to the next, of so many shards."""
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
    "rounds": "turns of each worker",
    "seconds": "what a turn measures",
    "rate": "polls a second, of all shards of a worker together",
}  # parts of the scale that can be given as options

Run: TypeAlias = Callable[[Scale, Collection[str]], list[Figure]]


def main(run: Run, numbers: Sequence[str], description: str | None) -> None:
    """Run one script by itself, and print its part of the table.

    Args:
        run: does the work, told how much and for which targets.
        numbers: the targets that it has figures for.
        description: what it measures.
    """
    parser = options(description)
    parser.add_argument(
        "--only", metavar="NUMBERS", help=f"only these of its targets: {','.join(numbers)}"
    )
    parser.add_argument("--json", metavar="FILE", type=Path, help="write the figures there, too")
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
    """Return a parser with the options that say how much is done."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--smoke", action="store_true", help="very little of it: does it work?")
    for name, what in _GIVEN.items():
        kind = type(getattr(FULL, name))
        parser.add_argument(f"--{name}", type=kind, metavar="N", help=what)
    return parser


def chosen(given: argparse.Namespace) -> Scale:
    """Return how much the options ask for."""
    changes = {name: value for name in _GIVEN if (value := getattr(given, name)) is not None}
    return dataclasses.replace(SMOKE if given.smoke else FULL, **changes)


def measure(run: Run, scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Run one script; where the machine cannot do it, the figures say why they are missing."""
    Cores.OTHERS.hold(0)
    try:
        return run(scale, wanted)
    except TooFewFilesError as error:
        print(error, file=sys.stderr)
        return [Figure(number, skipped=str(error)) for number in wanted]


def results(figures: Sequence[Figure], scale: Scale) -> dict[str, object]:
    """Return all that a file under results/ says."""
    return {
        "machine": machine(),
        "parameters": dataclasses.asdict(scale),
        "figures": {figure.number: figure.as_map() for figure in figures},
    }
