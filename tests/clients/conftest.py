"""Fixtures for the runtimes, each set up once in a session, when the first test uses it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.clients.runtimes import RUNTIMES, Missing, Runtime


class RuntimeCache:
    """Sets up runtimes, and caches them.

    Args:
        directory: Where packages are installed; shared by all processes of the session.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made: dict[str, Runtime | Missing] = {}

    def get(self, name: str) -> Runtime:
        """Return a runtime; skips the test if the machine has none."""
        if name not in self._made:
            self._made[name] = self._make(name)
        found = self._made[name]
        if isinstance(found, Missing):
            pytest.skip(str(found))
        return found

    def _make(self, name: str) -> Runtime | Missing:
        place = self._directory / name
        place.mkdir(parents=True, exist_ok=True)
        with (place / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # other processes wait, and find the result
            missing = place / "missing"
            if missing.exists():
                return Missing(missing.read_text())
            try:
                return RUNTIMES[name](place / "packages")
            except Missing as error:
                missing.write_text(str(error))
                return error


@pytest.fixture(scope="session")
def runtimes(tmp_path_factory: pytest.TempPathFactory) -> RuntimeCache:
    """The runtimes of this session."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    return RuntimeCache(shared / "runtimes")


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest, runtimes: RuntimeCache) -> Runtime:
    """Each of the runtimes."""
    return runtimes.get(request.param)
