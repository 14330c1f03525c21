"""Time from a key to the screen in `zinfo top`, with 5,000 shards and, for comparison, with 50."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping

from benchmarks.figures import Figure, FigureList
from benchmarks.progress import log_progress
from benchmarks.pty_program import PtyProgram
from benchmarks.script import Scale, main

NUMBERS = ("t1", "t2", "t3", "t4")

_KEYS: Mapping[str, tuple[str, str]] = {
    "t1": ("\x1b[B", "\x1b[A"),  # the cursor down, and up again
    "t2": ("\x1b[6~", "\x1b[5~"),  # a page
    "t3": ("r", "r"),  # the reverse order
    "t4": ("+", "-"),  # all groups
}
_GROUPED = ("t4",)  # measured with the shards grouped by primary
_FEW = 50
_MANY_OF_MANY = 0.5  # of the shards that the table calls many
_PRESSES = 5  # of both keys in a round
_SETTLE = 3  # keys before the first that counts


def run(scale: Scale, wanted: Collection[str]) -> list[Figure]:
    """Measure in turns with many and with few shards, on a terminal of 120 columns and 36 lines."""
    figures = FigureList(wanted)
    many = round(scale.many * _MANY_OF_MANY)
    found = {shards: _measured(shards, scale.rounds) for shards in (_FEW, many)}
    for number in NUMBERS:
        seconds, size = found[many][number]
        few, _ = found[_FEW][number]
        figures.add(
            number,
            [1000 * one for one in seconds],
            {"shards": many, "bytes": size, f"ms with {_FEW}": [1000 * one for one in few]},
        )
    return figures.all


def _measured(shards: int, rounds: int) -> dict[str, tuple[list[float], float]]:
    """Return the median seconds of each round, and the median bytes, by target."""
    found = {}
    with PtyProgram(["-m", "benchmarks.top_view", str(shards)]) as program:
        program.wait_for("Quit")
        for number in NUMBERS:
            if number in _GROUPED:
                for key in ("t", "primary\r"):
                    program.press(key)
            for key in _KEYS[number] * _SETTLE:
                program.press(key)
            medians, sizes = [], []
            for _ in range(rounds):
                presses = [program.press(key) for key in _KEYS[number] * _PRESSES]
                medians.append(statistics.median(seconds for seconds, _ in presses))
                sizes += [size for _, size in presses]
            found[number] = medians, statistics.median(sizes)
            log_progress(
                f"top_terminal: {shards} shards, {number}: "
                f"{1000 * statistics.median(medians):.0f} ms, {found[number][1]:.0f} bytes"
            )
    return found


if __name__ == "__main__":
    main(run, NUMBERS, __doc__)
