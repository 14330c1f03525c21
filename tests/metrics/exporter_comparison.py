"""Compares each metric of zinfo with that of redis_exporter for the same server.

`python -m tests.metrics.exporter_comparison` prints the table for each kind of server there is.
"""

from __future__ import annotations

import contextlib
import math
import re
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple
from urllib.request import urlopen

import redis

from benchmarks.exporter import MISSING, PROGRAM, Exporter, running_exporter
from tests.daemons import RunningDaemon
from tests.metrics.texts import Labels, Samples, families, samples
from tests.server_kinds import ServerKind, available_kinds
from tests.servers import RealServer
from tests.spawning import HOST
from tests.waiting import wait_until

NOT_FROM_INFO: Final = {
    r"redis_exporter_.*": "about redis_exporter's own work",
    r"redis_target_scrape_request_errors_total": "about redis_exporter's own work",
    r"redis_last_key_groups_scrape_duration_milliseconds": "about redis_exporter's own work",
    r"redis_slowlog_.*|redis_last_slow_execution_duration_seconds": "from SLOWLOG",
    r"redis_latency_spike_.*": "from LATENCY LATEST",
    r"redis_config_(?!maxmemory|maxclients).*": "from CONFIG GET",
    r"redis_db_keys(_expiring)?\{db=\"db([1-9]|1[0-5])\"\}": (
        "databases that are empty, which INFO does not name; their number is from CONFIG GET"
    ),
    r"redis_db_keys_cached(\{.*\})?": (
        "Valkey 9's keys_with_volatile_items, which redis_exporter takes for KeyDB's cached_keys, "
        "as both are the fourth of a database"
    ),
    r"redis_cluster_(?!enabled).*": "from CLUSTER INFO, where INFO has no section of it",
}
"""Patterns of metrics that redis_exporter gets from other commands, and why zinfo lacks them."""

LIKE_LATER_VERSIONS: Final = {
    r"redis_instance_info\{.*redis_mode=\"\".*\}": (
        "of Valkey: its server_mode as redis_mode, and valkey_version"
    ),
}
"""Patterns of samples for which zinfo follows later versions of redis_exporter than 1.45."""

_OWN_TRAFFIC: Final = 0.1
"""Relative tolerance of a value: both scrapes are load on the server."""
_OWN_CALLS: Final = 20
"""Absolute tolerance: each sends some commands."""
_OWN_BYTES: Final = 100_000
"""Tolerance in bytes: each has a connection with its buffers."""

_IN_BYTES: Final = r".*bytes.*|redis_mem_clients_.*"
"""Metrics in bytes, by name or by the documentation of Redis."""

_PERCENTILES: Final = "redis_latency_percentiles_usec"
_CALLS: Final = "redis_commands_total"


class Row(NamedTuple):
    """One metric of redis_exporter.

    Attributes:
        name: of the metric.
        verdict: `same`, `differs` or `missing`.
        why: what differs; for what is missing where it comes from, empty where that is INFO.
    """

    name: str
    verdict: str
    why: str = ""


def compare(theirs: str, before: str, after: str) -> Iterator[Row]:
    """Yield a row for each metric of redis_exporter.

    Args:
        theirs: what redis_exporter said.
        before: what zinfo said before that, as `/scrape` gives it.
        after: and after that.
    """
    types, own_types = families(theirs), families(after)
    values, low, high = samples(theirs), samples(before), samples(after)
    for name, metric in sorted(types.items()):
        if not name.startswith("redis_"):
            continue
        origin = _origin(name)
        if name not in own_types:
            yield Row(name, "missing", origin)
            continue
        wrong = []
        if own_types[name].type != metric.type:
            wrong.append(f"type {own_types[name].type}, not {metric.type}")
        wrong += _differences(name, values, low, high)
        yield Row(name, "differs" if wrong else "same", "; ".join(wrong))


def _differences(name: str, values: Samples, low: Samples, high: Samples) -> list[str]:
    wrong = []
    most = _OWN_BYTES if re.fullmatch(_IN_BYTES, name) else _OWN_CALLS
    for key, value in values.items():
        if not _is_of(key[0], name):
            continue
        shown = key[0] + "{" + ",".join(f'{label}="{text}"' for label, text in sorted(key[1])) + "}"
        if key in low and key in high:
            if key[0] == _PERCENTILES:
                fits = value == low[key] == high[key] or _was_called(key, low, high)
            else:
                fits = _fits(value, low[key], high[key], most)
            if not fits:
                wrong.append(f"{shown} {low[key]:g} to {high[key]:g}, not {value:g}")
        elif not _origin(shown):
            later = _reason(shown, LIKE_LATER_VERSIONS)
            wrong.append(f"as later versions: {later}" if later else f"no {shown}")
    return wrong


def _was_called(percentile: tuple[str, Labels], low: Samples, high: Samples) -> bool:
    """Return whether a command ran meanwhile, which changes its percentiles."""
    calls = _CALLS, frozenset(label for label in percentile[1] if label[0] == "cmd")
    return low[calls] != high[calls]


def _is_of(sample: str, metric: str) -> bool:
    return sample == metric or sample in (f"{metric}_sum", f"{metric}_count")


def _fits(value: float, low: float, high: float, most: float) -> bool:
    low, high = min(low, high), max(low, high)
    slack = max(abs(low), abs(high)) * _OWN_TRAFFIC + most
    return low - slack <= value <= high + slack or math.isnan(value)


def _origin(shown: str) -> str:
    return _reason(shown, NOT_FROM_INFO)


def _reason(shown: str, reasons: Mapping[str, str]) -> str:
    """Return the reason of the matching pattern; "" if none matches."""
    return next((why for pattern, why in reasons.items() if re.fullmatch(pattern, shown)), "")


def fetch(url: str) -> str:
    """Return the body of a page."""
    with urlopen(url, timeout=30) as answer:
        text: bytes = answer.read()
    return text.decode()


@contextlib.contextmanager
def watching(*servers: RealServer) -> Iterator[RunningDaemon]:
    """Run a daemon that polls these servers."""
    urls = [server.url for server in servers]
    environ = {"ZINFO_QUERY_MIN_REFRESH_INTERVAL": "0"}
    with RunningDaemon(urls, http=True, environ=environ) as daemon:
        daemon.wait_polled(len(servers))
        yield daemon


def compare_with(server: RealServer, daemon: RunningDaemon, exporter: Exporter) -> list[Row]:
    """Scrape a zinfo daemon, redis_exporter and the daemon again for one server."""
    page = f"{exporter.url}/scrape?target={server.url}"
    fetch(page)  # INFO has its own commands from the second scrape on
    own = f"{daemon.http}scrape?target={server.url}"
    daemon.ask("get_infos", refresh=True)
    before = fetch(own)
    theirs = fetch(page)
    daemon.ask("get_infos", refresh=True)
    return list(compare(theirs, before, fetch(own)))


def table(title: str, rows: Iterable[Row]) -> str:
    """Return a line for each metric, and the number of metrics for each verdict."""
    rows = list(rows)
    lines = [f"{row.verdict:8} {row.name:55} {row.why}".rstrip() for row in rows]
    counts = Counter(row.verdict for row in rows)
    summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    return "\n  ".join([f"{title}: {summary}", *lines])


def main() -> None:
    """Print the table for each kind of server."""
    if shutil.which(PROGRAM) is None:
        sys.exit(MISSING)
    with running_exporter() as exporter:
        for kind in available_kinds():
            with loaded_pair(kind) as pair, watching(*pair) as daemon:
                for server, role in zip(pair, ("primary", "replica"), strict=True):
                    rows = compare_with(server, daemon, exporter)
                    sys.stdout.write(table(f"{kind}, {role}", rows) + "\n")


@contextlib.contextmanager
def loaded_pair(kind: ServerKind) -> Iterator[tuple[RealServer, RealServer]]:
    """A primary with data and traffic, and its replica."""
    at_once = ("--repl-diskless-sync-delay", "0")
    with RealServer(kind, args=at_once) as primary, RealServer(kind) as replica:
        replica.client().replicaof(HOST, primary.port)
        client = primary.client()
        client.set("a", 1, ex=1000)
        client.get("a")
        client.get("missing")
        client.lpush("list", *range(100))
        with contextlib.suppress(redis.ResponseError):
            client.incr("list")
        wait_until(
            lambda: replica.client().info("replication")["master_link_status"] == "up",
            what="the replica to be in step",
        )
        wait_until(lambda: "slave0" in client.info("replication"), what="the primary to know it")
        yield primary, replica


if __name__ == "__main__":
    main()
