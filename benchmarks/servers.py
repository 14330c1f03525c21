"""The servers that all workers of all benchmarks ask: real ones, loaded, and busy a little."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from dataclasses import dataclass

import redis

from benchmarks.worker import Worker
from tests.load import put_load
from tests.servers import RealServer

COUNT = 4  # servers, shared by all connections, so that one machine holds the test
MAX_CLIENTS = 12_000  # connections that each of them takes
SPARE_FILES = 500  # open files of a process beside those of its shards

_LOAD = 400  # commands that each has behind it; enough for each kind of load to be there


@dataclass(frozen=True)
class Servers:
    """Running servers.

    Attributes:
        urls: where they are.
        facts: what they are, for the results.
    """

    urls: list[str]
    facts: dict[str, object]


class TooFewFilesError(Exception):
    """The machine does not let a process open as many files as the run needs."""


def allow_files(shards: int) -> None:
    """Let this process and its children open a file for each of so many shards.

    Raises:
        TooFewFilesError: the hard limit is below that.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = max(shards, MAX_CLIENTS) + SPARE_FILES
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise TooFewFilesError(
            f"{needed} open files are needed, and `ulimit -Hn` says {hard}: raise it and run again"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextlib.contextmanager
def loaded_servers(*, shards: int) -> Iterator[Servers]:
    """Start the servers, with load behind them and a little of it going on.

    Args:
        shards: connections that one process will have to them, at most.

    Raises:
        TooFewFilesError: the machine does not allow that many.
    """
    allow_files(shards)
    with contextlib.ExitStack() as stack:
        options = ("--maxclients", str(MAX_CLIENTS))
        running = [stack.enter_context(RealServer(args=options)) for _ in range(COUNT)]
        for server in running:
            # Percentiles cost a server more than all the rest of INFO: four servers on one core
            # could not give 10,000 a second with them, and would be what is measured.
            with contextlib.suppress(redis.ResponseError):  # before 7.0 there are none
                server.client().config_set("latency-tracking", "no")
            put_load(server.client(), _LOAD)
        urls = [server.url for server in running]
        stack.enter_context(Worker("background_load", gevent=False, urls=urls))
        info = running[0].info_text()
        yield Servers(
            urls,
            {
                "kind": str(running[0].kind),
                "servers": COUNT,
                "info_bytes": len(info),
                "commandstats": info.count(b"cmdstat_"),
                "fields": sum(b":" in line for line in info.splitlines()),
            },
        )
