"""Fixtures for the runtimes, each set up once in a session, when the first test uses it."""

from __future__ import annotations

import fcntl
import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.clients.runtimes import RUNTIMES, Missing, Runtime

NIGHTLY = frozenset({"python3.6"})
"""Runtimes that are between two others: the same files run on an older and on a newer Python."""


TEST_TIMEOUT = 300.0
"""Seconds that a test has, which may be the first to need the packages of a runtime."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Set the time limit of the tests in this folder."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(TEST_TIMEOUT))


class RuntimeCache:
    """Sets up runtimes, each once in a session.

    Args:
        session: Directory of this session, shared by all its processes.
        packages: Directory of installed packages, which later sessions use again.
    """

    def __init__(self, session: Path, packages: Path) -> None:
        self._session, self._packages = session, packages
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
        place = self._session / name
        place.mkdir(parents=True, exist_ok=True)
        packages = self._packages / name
        packages.mkdir(parents=True, exist_ok=True)
        with (packages / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # other processes wait, and find the result
            made, missing = place / "made", place / "missing"
            if missing.exists():
                return Missing(missing.read_text())
            if made.exists():
                return Runtime(**json.loads(made.read_text()))
            try:
                runtime = RUNTIMES[name](packages, place / "programs")
            except Missing as error:
                missing.write_text(str(error))
                return error
            made.write_text(json.dumps(asdict(runtime)))
            return runtime


@pytest.fixture(scope="session")
def runtimes(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> RuntimeCache:
    """The runtimes of this session."""
    own = tmp_path_factory.getbasetemp()
    shared = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "runtimes"
    cache = getattr(pytestconfig, "cache", None)  # with `-p no:cacheprovider` there is none
    packages = shared / "packages" if cache is None else cache.mkdir("client-packages")
    return RuntimeCache(shared, packages)


@pytest.fixture(params=RUNTIMES)
def each_runtime(request: pytest.FixtureRequest, runtimes: RuntimeCache) -> Runtime:
    """Each of the runtimes, in every run."""
    return runtimes.get(request.param)


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.slow) if name in NIGHTLY else name for name in RUNTIMES
    ]
)
def runtime(request: pytest.FixtureRequest, runtimes: RuntimeCache) -> Runtime:
    """Each of the runtimes; some of them only at night."""
    return runtimes.get(request.param)
