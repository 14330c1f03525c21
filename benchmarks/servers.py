"""The real servers that are polled in all benchmarks, with a small background load."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator
from dataclasses import dataclass

import redis

from benchmarks.worker import Worker
from tests.load import put_load
from tests.servers import RealServer

COUNT = 4  # servers, shared by all shards, so that one machine can run them
MAX_CLIENTS = 12_000  # connections that each server accepts
RESERVED_FILES = 500  # open files of a process beside the connections to its shards

_LOAD = 400  # commands that each server executes first; enough to include each kind of load


@dataclass(frozen=True)
class Servers:
    """Running servers.

    Attributes:
        urls: Their URLs.
        facts: Their kind, number and size of INFO, for the results.
    """

    urls: list[str]
    facts: dict[str, object]


class TooFewFilesError(Exception):
    """The hard limit of open files is lower than the run needs."""


def allow_files(shards: int) -> None:
    """Raise the limit of open files of this process and its children.

    Args:
        shards: Number of connections that one process has.

    Raises:
        TooFewFilesError: The hard limit is too low.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = max(shards, MAX_CLIENTS) + RESERVED_FILES
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise TooFewFilesError(
            f"{needed} open files are needed, but `ulimit -Hn` is {hard}: raise it and run again"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


@contextlib.contextmanager
def loaded_servers(*, shards: int) -> Iterator[Servers]:
    """Run the servers, with data in them and a small load that continues.

    Args:
        shards: Largest number of connections that one process will make to them.

    Raises:
        TooFewFilesError: The limit of open files is too low for that many.
    """
    allow_files(shards)
    with contextlib.ExitStack() as stack:
        options = ("--maxclients", str(MAX_CLIENTS))
        running = [stack.enter_context(RealServer(args=options)) for _ in range(COUNT)]
        for server in running:
            # Latency percentiles cost a server more than the rest of INFO: with them, four servers
            # on one core could not reply to 10,000 polls a second, and would be the bottleneck.
            with contextlib.suppress(redis.ResponseError):  # servers before 7.0 have none
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
