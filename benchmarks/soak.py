"""Run a daemon under faults for a long time, and check that it leaks nothing and stays correct.

A few real servers represent all shards. They are killed and restarted, stopped and continued, and
their connections are killed; Mirrors and subscribers start, end, are stopped and killed; and
queries are sent all the time. After a warm-up (a third of the run, five minutes at most) and at
the end, the faults pause for some seconds, and these are checked:

- the daemon's memory has grown by less than 5 %, and its file descriptors and greenlets not at all;
- every shard of every Mirror is equal to the daemon's at the same revision;
- every reply was right, and zinfo had no internal error.

Memory varies by a third under faults, and zinfo returns free memory to the system only every ten
seconds, so a single sample says little about a leak. The check uses the median of a dozen samples,
one second apart; the report also has the medians of the minutes after the warm-up and of the last
minutes, under faults.

Exit code: 0 if all of this holds, 1 if not, 2 for wrong usage.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import itertools
import json
import os
import random
import signal
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.cores import Cores
from benchmarks.load_report import summarize_queries
from benchmarks.progress import log_progress
from benchmarks.worker import Worker, WorkerError
from tests.load import put_load
from tests.servers import RealServer
from zinfo.client import Client
from zinfo.errors import ZinfoError
from zinfo.health import fd_limits

PROCESSES = 5  # processes that run the consumers
CLIENTS = 8  # query clients
MIX = {"one": 5.0, "field": 3.0, "ping": 1.0, "stats": 0.5, "fields": 0.1, "shards": 0.1}

MAX_GROWTH = 3  # file descriptors and greenlets: a ZeroMQ connection may just be closing

_WARM_UP = 300.0  # longest warm-up, in seconds
_PAUSE = 1.0  # average time between two faults, in seconds
_SETTLE = 60.0  # longest time until all shards are up after the last fault, in seconds
_CHECK = 60.0  # longest time until every mirror is found equal after that, in seconds
_SAMPLE_INTERVAL = 1.0  # seconds between two samples of the daemon during a pause
_COMMANDS = 100  # commands that each server executes first
_REPORT = 30.0  # seconds between two progress lines
_WINDOW = 300.0  # longest period whose memory samples become one median, in seconds
_MEMORY_INTERVAL = 1.0  # seconds between two of these samples


class Soak:
    """Servers, a daemon and its consumers, and the faults that are injected.

    Args:
        given: Options of the command line.
        stack: Ends the processes.
    """

    def __init__(self, given: argparse.Namespace, stack: contextlib.ExitStack) -> None:
        self._given = given
        self._stack = stack
        self._random = random.Random(given.seed)
        self._scheduled: list[tuple[float, int, Callable[[], None]]] = []  # heap: time, order, call
        self._order = itertools.count()
        self._servers = [stack.enter_context(RealServer()) for _ in range(given.servers)]
        for server in self._servers:
            put_load(server.client(), _COMMANDS)
        self._daemon = stack.enter_context(
            Worker(
                "soaked_daemon",
                cores=Cores.ANY,
                urls=[server.url for server in self._servers],
                shards=given.shards,
                interval=given.interval,
            )
        )
        self.endpoint: str = self._daemon.started["query"]
        self._client = stack.enter_context(Client(self.endpoint))
        self._faulty: set[object] = set()  # servers and consumers with a fault
        self.faults: Counter[str] = Counter()
        self.memory: list[tuple[float, int]] = []  # samples: seconds of the monotonic clock, bytes
        self._wait_all_up()
        processes = min(PROCESSES, given.subscribers)
        self._consumers = [self._start_consumers(n, processes) for n in range(processes)]
        self._clients = self._start_clients()

    # --- faults

    def inject_faults(self, seconds: float) -> None:
        """Inject faults for a while; several may last at the same time."""
        until = time.monotonic() + seconds
        reported = sampled = fault_at = time.monotonic()
        kinds = (
            self._kill_server,
            self._stop_server,
            self._kill_connections,
            self._stop_consumers,
            self._replace_consumers,
            self._kill_consumers,
        )
        while (now := time.monotonic()) < until:
            self._run_scheduled(now)
            if now >= fault_at:
                self._random.choice(kinds)()
                fault_at = now + self._random.expovariate(1 / _PAUSE)
            if now - sampled >= _MEMORY_INTERVAL:
                sampled = now
                self.memory.append((now, self._daemon.call("now")["memory"]))
            if now - reported >= _REPORT:
                reported = now
                self._report()
            time.sleep(0.05)
        while self._scheduled:
            self._run_scheduled(self._scheduled[0][0])

    def _run_scheduled(self, now: float) -> None:
        while self._scheduled and self._scheduled[0][0] <= now:
            heapq.heappop(self._scheduled)[2]()

    def _schedule(self, shortest: float, longest: float, call: Callable[[], None]) -> None:
        when = time.monotonic() + self._random.uniform(shortest, longest)
        heapq.heappush(self._scheduled, (when, next(self._order), call))

    def _choose_healthy(self, candidates: Sequence[Any]) -> Any:
        """Return one without a fault; None if half of them or more have one."""
        healthy = [one for one in candidates if one not in self._faulty]
        return self._random.choice(healthy) if len(healthy) > len(candidates) // 2 else None

    def _kill_server(self) -> None:
        server = self._choose_healthy(self._servers)
        if server is not None:
            self.faults["servers killed"] += 1
            self._faulty.add(server)
            server.kill()

            def recover() -> None:
                server.start()
                put_load(server.client(), _COMMANDS)
                self._faulty.discard(server)

            self._schedule(0.2, 4, recover)

    def _stop_server(self) -> None:
        server = self._choose_healthy(self._servers)
        if server is not None:
            self.faults["servers stopped"] += 1
            self._faulty.add(server)
            server.suspend()

            def recover() -> None:
                server.resume()
                self._faulty.discard(server)

            self._schedule(0.2, 6, recover)

    def _kill_connections(self) -> None:
        server = self._choose_healthy(self._servers)
        if server is not None:
            self.faults["connections killed"] += 1
            server.cli("CLIENT", "KILL", "TYPE", "normal")

    def _stop_consumers(self) -> None:
        worker = self._choose_healthy(self._consumers)
        if worker is not None:
            self.faults["consumers stopped"] += 1
            self._faulty.add(worker)
            os.kill(worker.pid, signal.SIGSTOP)

            def recover() -> None:
                os.kill(worker.pid, signal.SIGCONT)
                self._faulty.discard(worker)

            self._schedule(0.5, 15, recover)

    def _replace_consumers(self) -> None:
        worker = self._choose_healthy(self._consumers)
        if worker is not None:
            self.faults["consumers changed"] += 1
            worker.call("replace_one")

    def _kill_consumers(self) -> None:
        worker = self._choose_healthy(self._consumers)
        if worker is not None:
            self.faults["consumers killed"] += 1
            number = self._consumers.index(worker)
            os.kill(worker.pid, signal.SIGKILL)
            self._consumers[number] = self._start_consumers(number, len(self._consumers))

    # --- consumers and query clients

    def _start_consumers(self, number: int, processes: int) -> Worker:
        share, more = divmod(self._given.subscribers, processes)
        count = share + (number < more)
        worker = Worker(
            "consumers",
            gevent=False,
            cores=Cores.ANY,
            endpoint=self.endpoint,
            mirrors=(count + 1) // 2,
            subscribers=count // 2,
        )
        return self._stack.enter_context(worker)

    def _start_clients(self) -> Worker | None:
        if not self._given.rate:
            return None
        return self._stack.enter_context(
            Worker(
                "query_client",
                gevent=False,
                cores=Cores.ANY,
                endpoint=self.endpoint,
                clients=CLIENTS,
                rate=self._given.rate,
                mix=MIX,
                seed=self._given.seed,
            )
        )

    def send_queries(self, seconds: float) -> None:
        """Start sending queries for a while."""
        if self._clients is not None:
            self._clients.send("send_queries", seconds=seconds)

    def query_summary(self) -> dict[str, Any]:
        """Return the summary of the queries when all are sent."""
        if self._clients is None:
            return {}
        return summarize_queries([self._clients.wait()], CLIENTS, self._given.rate)

    # --- checks

    def check(self) -> dict[str, Any]:
        """Pause the faults, and sample the daemon and check the mirrors."""
        self._wait_all_up()
        for worker in self._consumers:
            worker.send("check", seconds=_CHECK)
        checks = [worker.wait() for worker in self._consumers]
        samples: list[dict[str, float]] = []
        until = time.monotonic() + self._given.peace
        while not samples or time.monotonic() < until:
            samples.append(self._daemon.call("report"))
            time.sleep(_SAMPLE_INTERVAL)  # part of the method: samples spread over the pause
        found: dict[str, Any] = {
            name: statistics.median_low(each[name] for each in samples) for name in samples[0]
        }
        for name in ("wrong", "compared", "updates", "late"):
            found[name] = sum(check[name] for check in checks)
        found["examples"] = [text for check in checks for text in check["examples"]]
        stats = self._client.stats()
        found["stats"] = stats
        log_progress(
            f"pause: {found['memory'] / 1e6:.1f} MB, {found['blocks']:.0f} Python memory blocks, "
            f"{found['files']} file descriptors, "
            f"{found['greenlets']} greenlets; {found['compared']} comparisons, "
            f"{found['wrong']} wrong"
        )
        return found

    def _wait_all_up(self) -> None:
        until = time.monotonic() + _SETTLE
        while time.monotonic() < until:
            if self._client.stats()["shards"] == {"up": self._given.shards}:
                return
            time.sleep(0.2)  # between two queries for the state
        raise WorkerError(f"not all shards are up: {self._client.stats()['shards']}")

    def _report(self) -> None:
        stats = self._client.stats()
        now = self._daemon.call("now")
        requests = sum(stats["query"]["requests"].values())
        log_progress(
            f"{sum(self.faults.values())} faults; shards {stats['shards']}; "
            f"{stats['poll']['replies']} polls, {requests} queries; "
            f"{now['memory'] / 1e6:.1f} MB, {now['blocks']} Python memory blocks"
        )


def find_problems(
    first: dict[str, Any], last: dict[str, Any], answers: dict[str, Any], max_growth: float
) -> list[str]:
    """Return the failed checks, in words.

    Args:
        first: Result of `check` after the warm-up.
        last: Result of `check` at the end.
        answers: Summary of the queries.
        max_growth: Largest growth of memory, in per cent.
    """
    broken = []
    growth = 100 * (last["memory"] / first["memory"] - 1)
    if growth >= max_growth:
        broken.append(f"memory grew by {growth:.1f} %")
    for name in ("files", "greenlets"):
        if last[name] > first[name] + MAX_GROWTH:
            broken.append(f"{name} grew from {first[name]} to {last[name]}")
    for found in (first, last):
        if found["wrong"]:
            broken.append(f"{found['wrong']} shards of mirrors wrong: {found['examples']}")
    if not last["compared"] and last["updates"]:
        broken.append("no mirror was compared")
    if answers.get("wrong"):
        broken.append(f"{answers['wrong']} replies wrong: {answers['examples']}")
    if last["stats"]["faults"]:
        broken.append(f"internal errors of zinfo: {last['stats']['faults']}")
    return broken


def run(given: argparse.Namespace) -> dict[str, Any]:
    """Run the soak, and return its measurements and failed checks."""
    fd_limits.raise_limit()  # for the servers, which inherit it
    with contextlib.ExitStack() as stack:
        soak = Soak(given, stack)
        log_progress(f"{given.shards} shards are up at {soak.endpoint}; {given.seconds:g} s left")
        warm_up = min(_WARM_UP, given.seconds / 3)
        soak.send_queries(given.seconds + 2 * given.peace)  # for the whole run
        soak.inject_faults(warm_up)
        first = soak.check()
        began = time.monotonic()
        soak.inject_faults(given.seconds - warm_up)
        ended = time.monotonic()
        last = soak.check()
        window = min(_WINDOW, (ended - began) / 3)
        for found, since in ((first, began), (last, ended - window)):
            samples = [memory for when, memory in soak.memory if since <= when <= since + window]
            # In a short run on a busy machine there may be none.
            found["memory_meanwhile"] = statistics.median(samples or [found["memory"]])
        answers = soak.query_summary()
        return {
            "seconds": given.seconds,
            "shards": given.shards,
            "subscribers": given.subscribers,
            "faults": dict(soak.faults),
            "first": first,
            "last": last,
            "growth": last["memory"] / first["memory"] - 1,
            "answers": answers,
            "broken": find_problems(first, last, answers, given.growth),
        }


def lines(result: dict[str, Any]) -> list[str]:
    """Return a result as lines of text."""
    first, last, stats = result["first"], result["last"], result["last"]["stats"]
    answers = result["answers"]
    faults = ", ".join(f"{count} {what}" for what, count in sorted(result["faults"].items()))
    text = [
        f"{result['seconds']:g} s, {result['shards']} shards, {result['subscribers']} subscribers",
        f"faults       {faults}",
        f"polls        {stats['poll']['replies']}, failed {stats['poll']['failures']}",
        f"memory       {first['memory'] / 1e6:.1f} -> {last['memory'] / 1e6:.1f} MB "
        f"({100 * result['growth']:+.1f} %); medians of minutes "
        f"{first['memory_meanwhile'] / 1e6:.1f} -> {last['memory_meanwhile'] / 1e6:.1f} MB",
        f"objects      {first['blocks']:.0f} -> {last['blocks']:.0f} Python memory blocks",
        f"files        {first['files']} -> {last['files']}",
        f"greenlets    {first['greenlets']} -> {last['greenlets']}",
        f"mirrors      {last['compared']} comparisons at the same revision, {last['wrong']} wrong",
        f"subscribers  {last['updates']} updates, {last['late']} repeated attempts to subscribe",
    ]
    if answers:
        text.append(
            f"queries      {answers['rate']:.1f} a second of {answers['rate_wanted']:g}, "
            f"{answers['wrong']} wrong, {answers['lost']} lost, errors {answers['errors']}"
        )
    return [*text, *(f"BROKEN       {problem}" for problem in result["broken"])]


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    given = _parser().parse_args(words)
    try:
        result = run(given)
    except (ZinfoError, WorkerError) as error:
        print(f"soak: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result, indent=1) if given.json else "\n".join(lines(result)))
    return 1 if result["broken"] else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak",
        description=__doc__,
        epilog="A whole night: python -m benchmarks.soak --seconds 28800",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, kind, default, what in (
        ("seconds", float, 600.0, "duration, without the pauses"),
        ("shards", int, 1000, "number of shards that the daemon polls"),
        ("servers", int, 5, "number of real servers that represent them"),
        ("interval", float, 3.0, "seconds between two polls of a shard"),
        ("subscribers", int, 20, "number of consumers, half of them Mirrors"),
        ("peace", float, 12.0, "length of a pause without faults, in seconds"),
        ("growth", float, 5.0, "largest growth of memory after the warm-up, in per cent"),
        ("rate", float, 200.0, "queries a second; 0: none"),
        ("seed", int, 0, "seed of the random faults"),
    ):
        parser.add_argument(
            f"--{name}", type=kind, default=default, metavar="N", help=f"{what} [%(default)s]"
        )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
