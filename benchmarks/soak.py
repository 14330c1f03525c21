"""Run a daemon for long while everything around it breaks, and judge that nothing adds up.

A few real servers stand for all shards. They are killed and started again, stopped and continued,
and cut off from the daemon; Mirrors and subscribers come, go, are stopped and killed; and questions
are asked all the time. After a warm-up (a third of the run, five minutes at most) and at the end
all is left in peace for some seconds, and looked at:

- the daemon's memory has grown by less than 5 %, its file descriptors and greenlets not at all;
- every shard of every Mirror is what the daemon has at the same revision;
- every answer was right, and nothing unforeseen happened in zinfo itself.

Memory goes up and down by a third with what breaks, and zinfo gives free memory back only every ten
seconds, so a single look says little of a leak. What is judged is the median of a dozen looks, a
second from one to the next; the medians of the minutes after the warm-up and of the last ones, in
which things break, are told beside it.

Exit code: 0 all of that holds, 1 something does not, 2 usage.
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
from benchmarks.load_report import queries
from benchmarks.progress import log_progress
from benchmarks.worker import Worker, WorkerError
from tests.load import put_load
from tests.servers import RealServer
from zinfo.client import Client
from zinfo.errors import ZinfoError
from zinfo.health import fd_limits

PROCESSES = 5  # that the consumers are in
CLIENTS = 8  # that ask
MIX = {"one": 5.0, "field": 3.0, "ping": 1.0, "stats": 0.5, "fields": 0.1, "shards": 0.1}

MOST_MORE = 3  # file descriptors and greenlets: a client of ZeroMQ may just be closing

_WARM_UP = 300.0  # seconds, at most
_PAUSE = 1.0  # seconds from one fault to the next, on average
_SETTLE = 60.0  # seconds, at most, until all shards are up once nothing breaks any more
_CHECK = 60.0  # seconds, at most, until every mirror is found right then
_LOOK = 1.0  # seconds from one look at the daemon in peace to the next
_COMMANDS = 100  # that each server has behind it
_REPORT = 30.0  # seconds from one line of progress to the next
_WINDOW = 300.0  # seconds, at most, whose looks at memory are one figure
_MEMORY_LOOK = 1.0  # seconds from one of them to the next


class Soak:
    """Servers, a daemon, consumers, and what happens to them.

    Args:
        given: the command line.
        stack: takes what has to be ended.
    """

    def __init__(self, given: argparse.Namespace, stack: contextlib.ExitStack) -> None:
        self._given = given
        self._stack = stack
        self._chance = random.Random(given.seed)
        self._later: list[tuple[float, int, Callable[[], None]]] = []  # a heap: when, order, what
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
        self._hurt: set[object] = set()  # servers and consumers that a fault has hold of
        self.faults: Counter[str] = Counter()
        self.memory: list[tuple[float, int]] = []  # looks: seconds of the monotonic clock, bytes
        self._wait_all_up()
        processes = min(PROCESSES, given.subscribers)
        self._consumers = [self._more_consumers(n, processes) for n in range(processes)]
        self._asker = self._ask()

    # --- the faults

    def break_things(self, seconds: float) -> None:
        """Let faults happen for a while, one after the other and some at the same time."""
        until = time.monotonic() + seconds
        told = looked = fault_at = time.monotonic()
        kinds = (
            self._kill_server,
            self._stop_server,
            self._cut_off,
            self._stop_consumers,
            self._change_consumers,
            self._kill_consumers,
        )
        while (now := time.monotonic()) < until:
            self._do_what_is_due(now)
            if now >= fault_at:
                self._chance.choice(kinds)()
                fault_at = now + self._chance.expovariate(1 / _PAUSE)
            if now - looked >= _MEMORY_LOOK:
                looked = now
                self.memory.append((now, self._daemon.call("now")["memory"]))
            if now - told >= _REPORT:
                told = now
                self._tell()
            time.sleep(0.05)
        while self._later:
            self._do_what_is_due(self._later[0][0])

    def _do_what_is_due(self, now: float) -> None:
        while self._later and self._later[0][0] <= now:
            heapq.heappop(self._later)[2]()

    def _after(self, shortest: float, longest: float, what: Callable[[], None]) -> None:
        when = time.monotonic() + self._chance.uniform(shortest, longest)
        heapq.heappush(self._later, (when, next(self._order), what))

    def _well(self, those: Sequence[Any]) -> Any:
        """Return one that no fault has hold of; None where too few are left."""
        well = [one for one in those if one not in self._hurt]
        return self._chance.choice(well) if len(well) > len(those) // 2 else None

    def _kill_server(self) -> None:
        server = self._well(self._servers)
        if server is not None:
            self.faults["servers killed"] += 1
            self._hurt.add(server)
            server.kill()

            def back() -> None:
                server.start()
                put_load(server.client(), _COMMANDS)
                self._hurt.discard(server)

            self._after(0.2, 4, back)

    def _stop_server(self) -> None:
        server = self._well(self._servers)
        if server is not None:
            self.faults["servers stopped"] += 1
            self._hurt.add(server)
            server.suspend()

            def back() -> None:
                server.resume()
                self._hurt.discard(server)

            self._after(0.2, 6, back)

    def _cut_off(self) -> None:
        server = self._well(self._servers)
        if server is not None:
            self.faults["connections killed"] += 1
            server.cli("CLIENT", "KILL", "TYPE", "normal")

    def _stop_consumers(self) -> None:
        worker = self._well(self._consumers)
        if worker is not None:
            self.faults["consumers stopped"] += 1
            self._hurt.add(worker)
            os.kill(worker.pid, signal.SIGSTOP)

            def back() -> None:
                os.kill(worker.pid, signal.SIGCONT)
                self._hurt.discard(worker)

            self._after(0.5, 15, back)

    def _change_consumers(self) -> None:
        worker = self._well(self._consumers)
        if worker is not None:
            self.faults["consumers changed"] += 1
            worker.call("replace_one")

    def _kill_consumers(self) -> None:
        worker = self._well(self._consumers)
        if worker is not None:
            self.faults["consumers killed"] += 1
            number = self._consumers.index(worker)
            os.kill(worker.pid, signal.SIGKILL)
            self._consumers[number] = self._more_consumers(number, len(self._consumers))

    # --- those who are around

    def _more_consumers(self, number: int, processes: int) -> Worker:
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

    def _ask(self) -> Worker | None:
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

    def ask(self, seconds: float) -> None:
        """Have questions asked for a while."""
        if self._asker is not None:
            self._asker.send("send_queries", seconds=seconds)

    def answers(self) -> dict[str, Any]:
        """Return what came of the questions."""
        if self._asker is None:
            return {}
        return queries([self._asker.wait()], CLIENTS, self._given.rate)

    # --- what is looked at

    def peace(self) -> dict[str, Any]:
        """Leave all in peace, and look at the daemon and the mirrors."""
        self._wait_all_up()
        for worker in self._consumers:
            worker.send("check", seconds=_CHECK)
        checks = [worker.wait() for worker in self._consumers]
        looks: list[dict[str, float]] = []
        until = time.monotonic() + self._given.peace
        while not looks or time.monotonic() < until:
            looks.append(self._daemon.call("report"))
            time.sleep(_LOOK)  # of the method: the looks are spread over what they speak of
        found: dict[str, Any] = {
            name: statistics.median_low(look[name] for look in looks) for name in looks[0]
        }
        for name in ("wrong", "compared", "updates", "late"):
            found[name] = sum(check[name] for check in checks)
        found["examples"] = [text for check in checks for text in check["examples"]]
        stats = self._client.stats()
        found["stats"] = stats
        log_progress(
            f"in peace: {found['memory'] / 1e6:.1f} MB, {found['blocks']:.0f} blocks of Python's, "
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
            time.sleep(0.2)  # between two looks, each of which is a question to the daemon
        raise WorkerError(f"not all shards are up: {self._client.stats()['shards']}")

    def _tell(self) -> None:
        stats = self._client.stats()
        now = self._daemon.call("now")
        asked = sum(stats["query"]["requests"].values())
        log_progress(
            f"{sum(self.faults.values())} faults; shards {stats['shards']}; "
            f"{stats['poll']['replies']} polls, {asked} queries; "
            f"{now['memory'] / 1e6:.1f} MB, {now['blocks']} blocks of Python's"
        )


def judge(
    first: dict[str, Any], last: dict[str, Any], answers: dict[str, Any], most_growth: float
) -> list[str]:
    """Return what is broken, in words.

    Args:
        first: what was found after the warm-up.
        last: at the end.
        answers: what came of the questions.
        most_growth: per cent by which memory may have grown.
    """
    broken = []
    growth = 100 * (last["memory"] / first["memory"] - 1)
    if growth >= most_growth:
        broken.append(f"memory grew by {growth:.1f} %")
    for name in ("files", "greenlets"):
        if last[name] > first[name] + MOST_MORE:
            broken.append(f"{name} grew from {first[name]} to {last[name]}")
    for found in (first, last):
        if found["wrong"]:
            broken.append(f"{found['wrong']} mirrors' shards wrong: {found['examples']}")
    if not last["compared"] and last["updates"]:
        broken.append("no mirror was compared")
    if answers.get("wrong"):
        broken.append(f"{answers['wrong']} answers wrong: {answers['examples']}")
    if last["stats"]["faults"]:
        broken.append(f"faults of zinfo's own: {last['stats']['faults']}")
    return broken


def run(given: argparse.Namespace) -> dict[str, Any]:
    """Run the soak, and return all that was seen."""
    fd_limits.raise_limit()  # for the servers, which inherit it
    with contextlib.ExitStack() as stack:
        soak = Soak(given, stack)
        log_progress(f"{given.shards} shards are up at {soak.endpoint}; {given.seconds:g} s to go")
        warm_up = min(_WARM_UP, given.seconds / 3)
        soak.ask(given.seconds + 2 * given.peace)  # at the end as at the beginning
        soak.break_things(warm_up)
        first = soak.peace()
        began = time.monotonic()
        soak.break_things(given.seconds - warm_up)
        ended = time.monotonic()
        last = soak.peace()
        window = min(_WINDOW, (ended - began) / 3)
        for found, since in ((first, began), (last, ended - window)):
            found["memory_meanwhile"] = statistics.median(
                memory for when, memory in soak.memory if since <= when <= since + window
            )
        answers = soak.answers()
        return {
            "seconds": given.seconds,
            "shards": given.shards,
            "subscribers": given.subscribers,
            "faults": dict(soak.faults),
            "first": first,
            "last": last,
            "growth": last["memory"] / first["memory"] - 1,
            "answers": answers,
            "broken": judge(first, last, answers, given.growth),
        }


def lines(result: dict[str, Any]) -> list[str]:
    """Return a result in words."""
    first, last, stats = result["first"], result["last"], result["last"]["stats"]
    answers = result["answers"]
    faults = ", ".join(f"{count} {what}" for what, count in sorted(result["faults"].items()))
    told = [
        f"{result['seconds']:g} s, {result['shards']} shards, {result['subscribers']} subscribers",
        f"faults       {faults}",
        f"polls        {stats['poll']['replies']}, failed {stats['poll']['failures']}",
        f"memory       {first['memory'] / 1e6:.1f} -> {last['memory'] / 1e6:.1f} MB "
        f"({100 * result['growth']:+.1f} %); medians of minutes "
        f"{first['memory_meanwhile'] / 1e6:.1f} -> {last['memory_meanwhile'] / 1e6:.1f} MB",
        f"objects      {first['blocks']:.0f} -> {last['blocks']:.0f} blocks of Python's",
        f"files        {first['files']} -> {last['files']}",
        f"greenlets    {first['greenlets']} -> {last['greenlets']}",
        f"mirrors      {last['compared']} comparisons at the same revision, {last['wrong']} wrong",
        f"subscribers  {last['updates']} updates, {last['late']} that joined at the second try",
    ]
    if answers:
        told.append(
            f"queries      {answers['rate']:.1f} a second of {answers['rate_wanted']:g}, "
            f"{answers['wrong']} wrong, {answers['lost']} lost, errors {answers['errors']}"
        )
    return [*told, *(f"BROKEN       {problem}" for problem in result["broken"])]


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
        epilog="A night of it: python -m benchmarks.soak --seconds 28800",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, kind, default, what in (
        ("seconds", float, 600.0, "how long, without the moments of peace"),
        ("shards", int, 1000, "entries that the daemon watches"),
        ("servers", int, 5, "real servers that stand for them"),
        ("interval", float, 3.0, "seconds from one poll of a shard to the next"),
        ("subscribers", int, 20, "half of them Mirrors"),
        (
            "peace",
            float,
            12.0,
            "seconds of looks in peace",
        ),
        ("growth", float, 5.0, "per cent of memory that may come after the warm-up"),
        ("rate", float, 200.0, "questions a second; 0: none"),
        ("seed", int, 0, "of the chance"),
    ):
        parser.add_argument(
            f"--{name}", type=kind, default=default, metavar="N", help=f"{what} [%(default)s]"
        )
    parser.add_argument("--json", action="store_true", help="print JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
