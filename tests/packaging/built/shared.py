"""Directories that the first test to need them fills, and that all processes of a run share."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def once(factory: pytest.TempPathFactory, name: str, fill: Callable[[Path], object]) -> Path:
    """Return a directory of this run; other processes of xdist wait until it is filled.

    Args:
        factory: the fixture `tmp_path_factory`.
        name: of the directory.
        fill: called with the empty directory, in one process; if it raises, the next one tries.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:  # the parent belongs to all workers of this run
        base = base.parent
    directory, filled = base / name, base / f"{name}.filled"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not filled.exists():
            shutil.rmtree(directory, ignore_errors=True)
            directory.mkdir()
            fill(directory)
            filled.touch()
    return directory
