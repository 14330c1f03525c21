"""Runs all benchmarks: prints one table, and writes a dated JSON file under results/."""

from __future__ import annotations

import datetime
import importlib
import json
import sys
import traceback
from pathlib import Path

from benchmarks.figures import Figure
from benchmarks.progress import log_progress
from benchmarks.report import RESULTS, machine, table
from benchmarks.script import Run, Scale, chosen, measure, options, results
from benchmarks.targets import TARGETS

SCRIPTS = (
    "poll_cost",
    "query_rate",
    "query_many",
    "query_columns",
    "publish_rate",
    "exporter_cost",
    "memory",
    "punctuality",
    "delivery_time",
    "overload",
    "scrape",
    "scrape_cost",
    "mirror_cost",
    "mirror_memory",
    "top_cost",
    "top_browser",
    "top_terminal",
    "interference",
    "discovery",
    "slice_scale",
)
"""The scripts, each of which can be run by itself."""

BASELINE = Path(__file__).parent / "baseline.json"


def main() -> int:
    """Run all scripts; returns the exit code, 1 if one of them failed."""
    parser = options(__doc__)
    parser.prog = "python -m benchmarks"
    parser.add_argument(
        "--results",
        type=Path,
        metavar="FOLDER",
        help="write the JSON file here [benchmarks/results; with --smoke: no file]",
    )
    parser.add_argument(
        "--baseline",
        action="store_true",
        help="store the ratios of this --smoke run as the baseline of the tests",
    )
    given = parser.parse_args()
    scale = chosen(given)
    figures: list[Figure] = []
    failed = False
    for script in SCRIPTS:
        log_progress(f"{script} starts")
        measured = _run(script, scale)
        failed |= measured is None
        figures += measured or []
    print(table(sorted(figures, key=lambda figure: list(TARGETS).index(figure.number))))
    if given.baseline:
        BASELINE.write_text(json.dumps(_steady(figures), indent=1) + "\n")
    folder = given.results or (None if given.smoke else RESULTS)
    if folder is not None:
        now = datetime.datetime.now(datetime.timezone.utc)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{now:%Y-%m-%d-%H%M}.json"
        path.write_text(json.dumps(results(figures, scale), indent=1) + "\n")
        log_progress(f"written: {path}")
    return 1 if failed else 0


def _steady(figures: list[Figure]) -> dict[str, object]:
    ratios = {
        figure.number: round(figure.steady, 4)
        for figure in figures
        if figure.target.ratio and not figure.skipped
    }
    return {"machine": machine(), "ratios": ratios}


def _run(script: str, scale: Scale) -> list[Figure] | None:
    module = importlib.import_module(f"benchmarks.{script}")
    run: Run = module.run
    try:
        return measure(run, scale, module.NUMBERS)
    except Exception:  # the other scripts still run
        traceback.print_exc()
        return None


if __name__ == "__main__":
    sys.exit(main())
