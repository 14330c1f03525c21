"""Without the packages that the programs need, a one-line message names them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.clients.conftest import RuntimeCache
from tests.clients.runtimes import CLIENTS, RUNTIMES, bare_environment


@pytest.mark.parametrize("program", ["query", "stream"])
@pytest.mark.parametrize("name", RUNTIMES)
def test_missing_packages_are_reported_in_one_line(
    name: str, program: str, runtimes: RuntimeCache, tmp_path: Path
) -> None:
    runtime = runtimes.get(name)
    if name == "node":
        without = shutil.ignore_patterns("node_modules")
        shutil.copytree(CLIENTS / "node", tmp_path, ignore=without, dirs_exist_ok=True)
        line = [*runtime.command, str(tmp_path / runtime.programs[program])]
        says = f"run `npm install` in {tmp_path}/\n"
    else:
        line = [*runtime.command, "-S", str(CLIENTS / runtime.programs[program])]
        says = "pip install pyzmq msgpack (versions: see its first lines)\n"
    done = subprocess.run(
        line, env=bare_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"{runtime.programs[program]}: ")
    assert done.stderr.endswith(says)
    assert done.stderr.count("\n") == 1
