"""Short runs of the benchmark scripts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Any

from tests.daemons import ROOT

# Without coverage, which would slow down zinfo but not what it is compared with.
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith("COV")}


def measured(
    script: str, path: Path, *options: str, only: Collection[str] = ()
) -> dict[str, dict[str, Any]]:
    """Run a script with little work, and return its figures by the number of their target.

    Args:
        script: Name of the script.
        path: File for its results.
        options: Further options of the script.
        only: Numbers of the targets to measure; without them, all.
    """
    command = [sys.executable, "-m", f"benchmarks.{script}", "--smoke", f"--json={path}", *options]
    if only:
        command.append(f"--only={','.join(only)}")
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRON, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    figures: dict[str, dict[str, Any]] = json.loads(path.read_text())["figures"]
    return figures
