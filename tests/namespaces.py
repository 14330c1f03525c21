"""Programs that run with a network and mounts of their own, which no other test sees."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.daemons import ROOT

_COMMAND = ("unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c")


def run_in_namespaces(prepare: str, module: str) -> Any:
    """Run a module of the tests and return the JSON that it prints; skips if that is not possible.

    Args:
        prepare: shell commands that are run first, as root of the namespaces.
        module: what to run with `python -m`.
    """
    try:
        subprocess.run([*_COMMAND, prepare], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", b"") or str(error)
        pytest.skip(f"this system allows no such namespaces: {said!r}")
    program = f"{prepare.strip()} && exec {sys.executable} -m {module}"
    done = subprocess.run(
        [*_COMMAND, program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
