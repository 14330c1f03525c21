"""Put a given load on a running daemon and report its latency, to size a machine.

It connects to the daemon's query endpoint and, for --subscribers, to the bus that the daemon
announces. Every reply is checked. Exit code: 0 if all replies were right, 1 if one was wrong or
none came, 2 for wrong usage.

Queries of a mix: {names}.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from benchmarks.cores import Cores
from benchmarks.load_report import (
    lines,
    summarize_daemon,
    summarize_queries,
    summarize_subscribers,
)
from benchmarks.queries import NAMES
from benchmarks.worker import Worker, WorkerError
from zinfo.client import Client
from zinfo.errors import NotPolledError, ZinfoError
from zinfo.wire.query_messages import DEFAULT_QUERY_ENDPOINT

KINDS = ("delta", "info", "event")


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    given = _parser().parse_args(words)
    try:
        result = put_load(given)
    except (ZinfoError, WorkerError) as error:
        print(f"load: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result, indent=1) if given.json else "\n".join(lines(result)))
    queried, subscribed = result["queries"], result["subscribers"]
    wrong = sum(one.get("wrong", 0) for one in (queried, subscribed))
    if wrong:
        print(f"load: {wrong} wrong", *queried.get("examples", ()), sep="\n  ", file=sys.stderr)
    return 1 if wrong or (queried and not queried["times"]) else 0


def put_load(given: argparse.Namespace) -> dict[str, Any]:
    """Put the load on the daemon, and return the measurements."""
    processes = min(given.processes, given.clients)
    share, more = divmod(given.clients, processes) if processes else (0, 0)
    with contextlib.ExitStack() as stack:
        client = stack.enter_context(Client(given.endpoint))
        before = client.stats()
        clients = [
            stack.enter_context(
                Worker(
                    "query_client",
                    gevent=False,
                    cores=Cores.ANY,
                    endpoint=given.endpoint,
                    clients=share + (number < more),
                    rate=given.rate * (share + (number < more)) / given.clients,
                    mix=given.mix,
                    seed=number,
                )
            )
            for number in range(processes)
        ]
        subscribers = [
            stack.enter_context(
                Worker(
                    "client_subscriber",
                    gevent=False,
                    cores=Cores.ANY,
                    endpoint=given.endpoint,
                    bus=given.bus,
                    kinds=given.kinds,
                )
            )
            for _ in range(given.subscribers)
        ]
        if any(not worker.started["shards"] for worker in clients):
            raise NotPolledError("the daemon has not polled any shard yet, so none can be queried")
        for worker in subscribers:
            worker.send("receive", seconds=given.seconds)
        for worker in clients:
            worker.send("send_queries", seconds=given.seconds)
        queried = [worker.wait() for worker in clients]
        received = [worker.wait() for worker in subscribers]
        after = client.stats()
    return {
        "endpoint": given.endpoint,
        "queries": summarize_queries(queried, given.clients, given.rate),
        "subscribers": summarize_subscribers(received),
        "daemon": summarize_daemon(before, after),
    }


def _parser() -> argparse.ArgumentParser:
    words = (__doc__ or "").format(names="; ".join(f"{one} ({NAMES[one]})" for one in NAMES))
    parser = argparse.ArgumentParser(prog="python -m benchmarks.load", description=words)
    parser.add_argument(
        "endpoint",
        nargs="?",
        default=DEFAULT_QUERY_ENDPOINT,
        help="the daemon's query endpoint [%(default)s]",
    )
    parser.add_argument(
        "--bus", metavar="ENDPOINT", help="bus endpoint, if not the one that the daemon announces"
    )
    cores = len(Cores.ANY.numbers) or os.cpu_count() or 1
    for name, default, what in (
        ("clients", 4, "number of query clients"),
        ("processes", cores, "number of processes that run the clients"),
        ("subscribers", 0, "number of subscribers to all shards"),
    ):
        words = f"{what} [%(default)s]"
        parser.add_argument(f"--{name}", type=_count, default=default, metavar="N", help=words)
    parser.add_argument(
        "--rate",
        type=_rate,
        default=0.0,
        metavar="N",
        help="queries a second of all clients; 0: as many as possible [0]",
    )
    parser.add_argument(
        "--mix",
        type=_mix,
        default="one=7,field=2,ping=1",
        metavar="MIX",
        help="queries and their weights [%(default)s]",
    )
    parser.add_argument(
        "--kinds",
        type=_kinds,
        default="delta,event",
        metavar="KINDS",
        help="kinds of updates to subscribe to [%(default)s]",
    )
    parser.add_argument(
        "--seconds", type=_seconds, default=10.0, metavar="S", help="duration [%(default)s]"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _count(text: str) -> int:
    if not 0 <= int(text) <= 1000:
        raise ValueError(text)
    return int(text)


def _rate(text: str) -> float:
    if not 0 <= float(text) <= 1_000_000:
        raise ValueError(text)
    return float(text)


def _seconds(text: str) -> float:
    if not 0 < float(text) <= 86_400:
        raise ValueError(text)
    return float(text)


def _mix(text: str) -> dict[str, float]:
    mix = {}
    for part in text.split(","):
        name, _, weight = part.partition("=")
        if name not in NAMES or float(weight or 1) <= 0:
            raise argparse.ArgumentTypeError(f"{part}: expected NAME=WEIGHT of {', '.join(NAMES)}")
        mix[name] = float(weight or 1)
    return mix


def _kinds(text: str) -> list[str]:
    kinds = text.split(",")
    if set(kinds) - set(KINDS):
        raise argparse.ArgumentTypeError(f"{text}: expected some of {','.join(KINDS)}")
    return kinds


if __name__ == "__main__":
    sys.exit(main())
