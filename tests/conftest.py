"""Fixtures of all tests: real servers, short paths, and a check for leftover processes."""

from __future__ import annotations

import contextlib
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest

from tests.examples import register_profiles
from tests.promises import promise, rows, table
from tests.server_kinds import ServerKind, kinds_by_source
from tests.servers import RealServer
from tests.suites import SUITES, rank
from tests.waiting import wait_until

__all__ = ["promise"]  # a fixture


def _patched() -> bool:
    """Whether gevent has patched this process; does not import gevent."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("socket"))


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts background jobs like this; the commands under test would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

register_profiles()

# These need a patched process: tests/test_gevent_side.py starts it.
collect_ignore = [] if _patched() else ["gevent_side"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--suite`."""
    parser.addoption(
        "--suite",
        choices=SUITES,
        default="all",
        help="part of the tests: see tests/suites.py",
    )


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out what is not in the suite; other hooks decide about the rest."""
    return None if SUITES[config.getoption("suite")].has(collection_path) else True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the files with long tests first."""
    items.sort(key=lambda item: rank(item.path))


class ServerFactory(Protocol):
    """Starts a server; takes the arguments of `RealServer`."""

    def __call__(self, kind: ServerKind | None = None, **options: Any) -> RealServer: ...


@pytest.fixture
def server_factory() -> Iterator[ServerFactory]:
    """Starts servers, which are killed after the test."""
    with contextlib.ExitStack() as stack:

        def start(kind: ServerKind | None = None, **options: Any) -> RealServer:
            return stack.enter_context(RealServer(kind, **options))

        yield start


@pytest.fixture
def server(server_factory: ServerFactory) -> RealServer:
    """A new server of the default kind."""
    return server_factory()


def _kind_params() -> list[Any]:
    """One parameter for each kind; a skipped one for each missing source that is not optional."""
    params = []
    for source, kind in kinds_by_source():
        if kind:
            params.append(pytest.param(kind, id=kind.name))
        elif not source.optional:
            marks = pytest.mark.skip(reason=source.hint)
            params.append(
                pytest.param(None, id=f"no-{source.package or source.program}", marks=marks)
            )
    return params


@pytest.fixture(params=_kind_params())
def each_kind(request: pytest.FixtureRequest) -> ServerKind:
    """Each kind of server."""
    kind = request.param
    assert isinstance(kind, ServerKind)
    return kind


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """An empty directory with a path short enough for Unix sockets (107 bytes)."""
    directory = Path(tempfile.mkdtemp(prefix="zi-", dir="/tmp"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def _no_process_left_behind() -> Iterator[None]:
    """Fail if tests of a module leave a child process, and kill it."""
    me = psutil.Process()
    before = set(me.children())
    yield

    def leftover() -> list[psutil.Process]:
        return [child for child in me.children(recursive=True) if child not in before]

    try:
        wait_until(lambda: not leftover(), timeout=30, what="the test's processes to end")
    except AssertionError:
        names = [f"{child.pid} {child.name()}" for child in leftover()]
        for child in leftover():
            child.kill()
        pytest.fail(f"tests of this module left processes behind: {names}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table of measurements."""
    stats = terminalreporter.stats
    found = rows([*stats.get("passed", ()), *stats.get("failed", ())])
    if found:
        terminalreporter.section("promises")
        for line in table(found):
            terminalreporter.line(line)
