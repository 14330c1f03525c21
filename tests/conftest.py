"""Fixtures for everybody: real servers, short paths, and a look for what a test left behind."""

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

from tests.promises import promise, rows, table
from tests.server_kinds import ServerKind, kinds_by_source
from tests.servers import RealServer
from tests.waiting import wait_until

__all__ = ["promise"]  # a fixture


def _patched() -> bool:
    """Whether gevent has patched this process; asked without importing gevent."""
    monkey = sys.modules.get("gevent.monkey")
    return monkey is not None and bool(monkey.is_module_patched("socket"))


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # So a shell starts what it puts in the background; the commands under test would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# These need a patched process: `python -m gevent.monkey --module pytest tests/gevent_side`.
collect_ignore = [] if _patched() else ["gevent_side"]


class ServerFactory(Protocol):
    """Starts one more server; it takes what `RealServer` takes."""

    def __call__(self, kind: ServerKind | None = None, **options: Any) -> RealServer: ...


@pytest.fixture
def server_factory() -> Iterator[ServerFactory]:
    """Start servers that end with the test."""
    with contextlib.ExitStack() as stack:

        def start(kind: ServerKind | None = None, **options: Any) -> RealServer:
            return stack.enter_context(RealServer(kind, **options))

        yield start


@pytest.fixture
def server(server_factory: ServerFactory) -> RealServer:
    """A fresh server of the default kind."""
    return server_factory()


def _kind_params() -> list[Any]:
    """One parameter for each kind; one that is skipped for each source that has none."""
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
    """Each kind of server in turn."""
    kind = request.param
    assert isinstance(kind, ServerKind)
    return kind


@pytest.fixture
def short_tmp() -> Iterator[Path]:
    """An empty directory whose path leaves room for a Unix socket (107 bytes)."""
    directory = Path(tempfile.mkdtemp(prefix="zi-", dir="/tmp"))
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="module", autouse=True)
def _no_process_left_behind() -> Iterator[None]:
    """Fail the module whose tests leave a child process; kill it, so that one is enough."""
    me = psutil.Process()
    before = set(me.children())
    yield

    def left() -> list[psutil.Process]:
        return [child for child in me.children(recursive=True) if child not in before]

    try:
        wait_until(lambda: not left(), timeout=2, what="the test's processes to end")
    except AssertionError:
        names = [f"{child.pid} {child.name()}" for child in left()]
        for child in left():
            child.kill()
        pytest.fail(f"tests of this module left processes behind: {names}")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what the tests measured."""
    stats = terminalreporter.stats
    found = rows([*stats.get("passed", ()), *stats.get("failed", ())])
    if found:
        terminalreporter.section("promises")
        for line in table(found):
            terminalreporter.line(line)
