"""Which tests belong to which run: `pytest --suite NAME`.

Files that are named on the command line are always run. tests/test_suites.py checks that every file
is in a suite that `tox` runs.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent

PROCESSES = (
    "adapters/http/test_openapi.py",
    "adapters/http/test_slow_reader.py",
    "adapters/page/test_accessibility.py",
    "adapters/page/test_table.py",
    "adapters/page/test_vectors.py",
    "client/test_real_daemon.py",
    "clients",
    "deploy",
    "discovery/sources/test_target_groups_in_prometheus.py",
    "docs/test_getting_started.py",
    "docs/test_how_to.py",
    "docs/test_how_to_operate.py",
    "docs/test_site.py",
    "docs/test_troubleshooting.py",
    "faults",
    "metrics/test_against_redis_exporter.py",
    "metrics/test_copies_in_prometheus.py",
    "metrics/test_with_prometheus.py",
    "packaging/built",
    "scenarios",
    "security",
    "service",
    "sinks/test_nats_cluster.py",
    "test_benchmarks.py",
    "test_comparison.py",
    "test_types.py",
    "top/web",
)
"""Tests of many other processes (faults, hostile peers, browsers, terminals, other languages).

They take longest, and do not depend on the version of Python: one version runs them.
"""

PYTHON_FREE = (
    "adapters/http/test_access.py",
    "adapters/http/test_metrics.py",
    "adapters/http/test_stream.py",
    "adapters/page/test_resources.py",
    "adapters/page/test_table_access.py",
    "adapters/xmlrpc",
    "cli",
    "client/test_fleet_coverage.py",
    "client/test_fleet_model.py",
    "client/test_fleet_recent_events.py",
    "client/test_fleet_subscriber_model.py",
    "client/test_mirror_model.py",
    "daemon/test_slices.py",
    "daemon/test_sources.py",
    "demo",
    "docs",
    "fidelity",
    "metrics",
    "recording",
    "sinks",
    "test_daemons.py",
    "test_load_tool.py",
    "test_servers.py",
    "test_suites.py",
    "top",
    "views",
    "discovery",
)
"""Tests that depend neither on the native part nor on versions of Python or of dependencies."""

MEASURED = (
    "security/test_bus_access.py",
    "security/test_bus_endpoints.py",
    "security/test_key_files.py",
    "security/test_rights.py",
)
"""Tests in PROCESSES that the run with coverage needs: rights on the bus have no other tests.

Only that run has them.
"""

WITHOUT_SERVERS = (
    "adapters/page/test_table_queue.py",
    "adapters/page/test_table_view.py",
    "adapters/page/test_text_values.py",
    "config",
    "exposition",
    "info",
    "packaging/test_imports.py",
    "packaging/test_public_surface.py",
    "poll",
    "query",
    "shards",
    "top/test_history.py",
    "views",
    "wire",
)
"""Tests that start no server and no daemon, or few."""

FIRST = (
    "adapters/http/test_openapi.py",
    "docs/test_site.py",
    "test_types.py",
    "packaging/built",
    "docs/test_getting_started.py",
    "test_gevent_side.py",
    "demo/test_demo_on_a_pipe.py",
    "demo/test_demo_endings.py",
)
"""Files with few and long tests: if they came last, other cores would wait for them."""

ALONE = ("test_benchmark_ratios.py",)
"""Tests that need the machine for themselves."""


@cache  # called for each of thousands of tests
def rank(path: Path) -> int:
    """Return the position at which to run the tests of a file, a smaller one earlier."""
    return next(
        (at for at, name in enumerate(FIRST) if path.is_relative_to(TESTS / name)), len(FIRST)
    )


@dataclass(frozen=True)
class Suite:
    """A selection of files.

    Attributes:
        only: Files and directories that belong to it; without them, everything does.
        without: Files and directories that do not.
        also: Files that do nevertheless.
    """

    only: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    also: tuple[str, ...] = ()

    def has(self, path: Path) -> bool:
        """Return whether a file belongs to it, or a directory contains such a file."""
        # A directory above `tests` contains everything.
        name = path.relative_to(TESTS).as_posix() if path.is_relative_to(TESTS) else "."
        if _overlaps(name, self.also):
            return True
        if any(_contains(one, name) for one in self.without):
            return False
        return not self.only or _overlaps(name, self.only)


def _overlaps(name: str, names: tuple[str, ...]) -> bool:
    """Whether a path is one of the files, or is in one of the directories, or contains one."""
    return any(_contains(one, name) or _contains(name, one) for one in names)


def _contains(directory: str, name: str) -> bool:
    """Whether a path is a directory, or in it; paths as text, as pathlib takes 50 times as long."""
    return directory in (".", name) or name.startswith(directory + "/")


SUITES = {
    "all": Suite(),
    "quick": Suite(only=WITHOUT_SERVERS),
    "oldest": Suite(without=(*PROCESSES, *PYTHON_FREE, *ALONE)),
    "newest": Suite(without=(*PROCESSES, *ALONE), also=MEASURED),
    "processes": Suite(only=PROCESSES, without=MEASURED),
}
