"""What zinfo and other tools cost the same servers and the host, for one consumer and for several.

The tools are redis_exporter (one process for each server, and one for all), a cron script with
redis-cli, and zinfo. Each collects INFO from the same real servers once in an interval. The servers
count commands and connections themselves; docs/comparison.md has the results.

No other program may poll the servers: `zinfo serve --local` of another user would find them.
`unshare -n sh -c 'ip link set lo up; python -m benchmarks.comparison'` prevents that.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
import redis

from benchmarks.compared_tools import CLI, EXPORTER, TOOLS, Tool, nothing
from benchmarks.progress import log_progress
from benchmarks.report import machine
from tests.servers import RealServer, put_load

_LOAD = 400  # commands that each server executes first, so that INFO has the usual sections


@dataclass(frozen=True)
class Cost:
    """What a tool costs; CPU time and counts are those of one server in one interval.

    Attributes:
        tool: Name of the tool.
        consumers: Number of consumers that read all servers in each interval.
        commands: Commands that the server executed, by name.
        connections: Connections that the server accepted.
        server_us: CPU time of the server, in microseconds; in the table minus that of a server
            without a tool in the same time.
        tool_us: CPU time of the tool, in microseconds.
        processes: Processes of the tool; 0 if they run only for a moment.
        memory_mb: Proportional memory (PSS) of these processes together, in MB.
        read_ms: Time until one consumer has the values of all servers, in milliseconds.
        seconds: Measured length of an interval; longer than requested if a tool needs longer.
    """

    tool: str
    consumers: int
    commands: dict[str, float]
    connections: float
    server_us: float
    tool_us: float
    processes: int
    memory_mb: float
    read_ms: float
    seconds: float


class Counts:
    """The counters of all servers together, read over connections that stay open."""

    def __init__(self, servers: Iterable[RealServer]) -> None:
        self._clients: list[redis.Redis] = [server.client() for server in servers]
        self.read()  # connects

    def read(self) -> Counter[str]:
        """Return the counters; reading costs each server one INFO."""
        total: Counter[str] = Counter()
        for client in self._clients:
            info = client.info("everything")
            total["connections"] += info["total_connections_received"]
            total["us"] += round(1e6 * (info["used_cpu_user"] + info["used_cpu_sys"]))
            for name, stat in info.items():
                if name.startswith("cmdstat_"):
                    total[name.removeprefix("cmdstat_")] += stat["calls"]
        return total


def measure(
    name: str, servers: Sequence[RealServer], counts: Counts, given: argparse.Namespace
) -> list[Cost]:
    """Run a tool for one consumer, and then for several, for the given time each."""
    costs = []
    for consumers in dict.fromkeys((1, given.consumers)):
        with TOOLS.get(name, nothing)(servers, given.interval, consumers) as tool:
            costs.append(_measure(name, tool, consumers, counts, servers, given))
        log_progress(f"{name}, {consumers} consumer(s): {_summary(costs[-1])}")
    return costs


def _measure(
    name: str,
    tool: Tool,
    consumers: int,
    counts: Counts,
    servers: Sequence[RealServer],
    given: argparse.Namespace,
) -> Cost:
    rounds = max(1, round(given.seconds / given.interval))
    times: list[float] = []
    before, cpu, start = counts.read(), tool.cpu(), time.monotonic()
    for number in range(rounds):
        for _ in range(consumers):
            began = time.monotonic()
            tool.consume()
            times.append(time.monotonic() - began)
        time.sleep(max(0.0, start + (number + 1) * given.interval - time.monotonic()))
    used, elapsed = tool.cpu() - cpu, time.monotonic() - start
    after = counts.read()
    after["info"] -= len(servers)  # that of this measurement
    each = len(servers) * rounds
    spent = {key: (after[key] - before[key]) / each for key in after}
    processes = [psutil.Process(pid) for pid in tool.pids]
    return Cost(
        tool=name,
        consumers=consumers,
        connections=spent.pop("connections"),
        server_us=spent.pop("us"),
        commands={key: number for key, number in sorted(spent.items()) if round(number, 1)},
        tool_us=1e6 * used / each,
        processes=len(processes),
        memory_mb=sum(one.memory_full_info().pss for one in processes) / 1e6,
        read_ms=1e3 * statistics.median(times),
        seconds=elapsed / rounds,
    )


def median(rounds: Sequence[Cost], idle_us: float) -> Cost:
    """Return the medians of several measurements of a tool, without the cost of idle servers.

    Args:
        rounds: The measurements.
        idle_us: CPU time of a server without a tool, in microseconds a second.
    """
    numbers = {
        name: statistics.median(getattr(one, name) for one in rounds)
        for name in ("connections", "tool_us", "memory_mb", "read_ms", "seconds")
    }
    numbers["server_us"] = statistics.median(
        max(0.0, one.server_us - idle_us * one.seconds) for one in rounds
    )
    names = sorted({name for one in rounds for name in one.commands})
    commands = {
        name: statistics.median(one.commands.get(name, 0.0) for one in rounds) for name in names
    }
    first = rounds[0]
    return Cost(first.tool, first.consumers, commands, processes=first.processes, **numbers)


def table(costs: Sequence[Cost]) -> str:
    """Return the costs as a table in Markdown."""
    head = (
        "tool | consumers | commands | connections | server CPU, us | tool CPU, us | processes | "
        "memory, MB | read all, ms"
    )
    lines = [f"| {head} |", "|" + "---|" * (head.count("|") + 1)]
    for one in costs:
        cells = (
            *(one.tool, one.consumers, f"{sum(one.commands.values()):.1f}"),
            *(f"{one.connections:.1f}", f"{one.server_us:.0f}", f"{one.tool_us:.0f}"),
            *(one.processes or "-", f"{one.memory_mb:.0f}" if one.processes else "-"),
            f"{one.read_ms:.1f}",
        )
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(lines)


def _summary(one: Cost) -> str:
    commands = ", ".join(f"{number:.1f} {name}" for name, number in one.commands.items())
    return (
        f"{commands or 'no commands'}; {one.connections:.1f} connections; "
        f"server {one.server_us:.0f} us, tool {one.tool_us:.0f} us"
    )


def versions(server: RealServer) -> dict[str, str]:
    """Return the versions of the compared programs."""
    output = ""
    for command in ([EXPORTER, "--version"], [CLI, "--version"]):
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
        output += done.stdout + done.stderr
    exporter = re.search(r"Exporter (\S+)", output)
    cli = re.search(r"redis-cli (\S+)", output)
    return {
        "redis_exporter": exporter[1] if exporter else "unknown",
        "redis-cli": cli[1] if cli else "unknown",
        "server": str(server.kind),
    }


def arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.comparison", description=__doc__)
    parser.add_argument("--servers", type=int, default=20, metavar="N", help="servers (20)")
    parser.add_argument("--consumers", type=int, default=3, metavar="N", help="consumers (3)")
    parser.add_argument(
        "--interval", type=float, default=1.0, metavar="S", help="seconds between collections (1)"
    )
    parser.add_argument(
        "--seconds", type=float, default=10.0, metavar="S", help="seconds of a measurement (10)"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, metavar="N", help="measurements of each tool (3)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the costs here")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure all tools alternately, and print the table."""
    given = arguments(argv)
    missing = [program for program in (EXPORTER, CLI) if shutil.which(program) is None]
    if missing:
        print(f"not on the PATH: {', '.join(missing)}", file=sys.stderr)
        return 1
    rounds: dict[tuple[str, int], list[Cost]] = {}
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(RealServer()) for _ in range(given.servers)]
        for server in servers:
            put_load(server.client(), _LOAD)
        counts = Counts(servers)
        for _ in range(given.rounds):
            for name in ("no tool", *TOOLS):
                for cost in measure(name, servers, counts, given):
                    rounds.setdefault((name, cost.consumers), []).append(cost)
        programs = versions(servers[0])
    if any(cost.commands for cost in rounds["no tool", 1]):
        print("warning: other programs sent commands to the servers", file=sys.stderr)
    idle = statistics.median(cost.server_us / cost.seconds for cost in rounds["no tool", 1])
    costs = [median(each, idle) for (name, _), each in rounds.items() if name in TOOLS]
    print(table(costs))
    about = ", ".join(f"{name} {version}" for name, version in programs.items())
    print(f"\n{about}; {given.servers} servers; a server without a tool uses {idle:.0f} us/s")
    if given.json:
        result = {
            "machine": machine(),
            "programs": programs,
            "parameters": {name: value for name, value in vars(given).items() if name != "json"},
            "idle_us": idle,
            "costs": [asdict(cost) for cost in costs],
        }
        given.json.write_text(json.dumps(result, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
