"""The script that compares zinfo with other tools measures each of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.compared_tools import CLI, EXPORTER, TOOLS

ROOT = Path(__file__).parents[1]

# Without coverage, which would slow down zinfo but not what it is compared with.
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("COV")}


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which(EXPORTER) is None or shutil.which(CLI) is None,
    reason=f"no {EXPORTER} or no {CLI} on the PATH (Debian: {EXPORTER}, redis-tools)",
)
def test_the_comparison_measures_every_tool(tmp_path: Path) -> None:
    path = tmp_path / "costs.json"
    options = ("--servers=2", "--consumers=1", "--interval=0.2", "--seconds=1", "--rounds=1")
    command = [sys.executable, "-m", "benchmarks.comparison", *options, f"--json={path}"]
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRON, capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    costs = {cost["tool"]: cost for cost in json.loads(path.read_text())["costs"]}
    assert list(costs) == list(TOOLS)
    for name, cost in costs.items():
        assert cost["commands"]["info"] > 0
        assert cost["tool_us"] > 0
        assert (cost["connections"] >= 1) != name.startswith("zinfo")
