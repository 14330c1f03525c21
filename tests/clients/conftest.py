"""The runtimes, each made once in a session and only where a test asks for it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

import pytest

from tests.clients.runtimes import RUNTIMES, Missing, Runtime


class Workshop:
    """Makes runtimes, and keeps them.

    Args:
        directory: where packages are installed; one for all processes that share the session.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._made: dict[str, Runtime | Missing] = {}

    def get(self, name: str) -> Runtime:
        """Return a runtime; skips the test where the machine has none."""
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
            fcntl.flock(lock, fcntl.LOCK_EX)  # others wait, and find it made, or why it cannot be
            missing = place / "missing"
            if missing.exists():
                return Missing(missing.read_text())
            try:
                return RUNTIMES[name](place / "packages")
            except Missing as error:
                missing.write_text(str(error))
                return error


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """What makes the runtimes of this session."""
    own = tmp_path_factory.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    return Workshop(shared / "runtimes")


@pytest.fixture(params=RUNTIMES)
def runtime(request: pytest.FixtureRequest, workshop: Workshop) -> Runtime:
    """Each runtime in turn."""
    return workshop.get(request.param)
