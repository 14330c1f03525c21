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
from collections.abc import Container, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Final, NamedTuple
from urllib.request import urlopen

from benchmarks.exporter import MISSING, PROGRAM, Exporter, running_exporter
from tests.daemons import RunningDaemon
from tests.metrics.loaded_servers import loaded_servers
from tests.metrics.pages import rows
from tests.metrics.texts import Labels, Samples, families, samples
from tests.server_kinds import available_kinds
from tests.servers import RealServer
from zinfo.metrics.exporter_table import ROWS

Key = tuple[str, Labels]
"""A sample: its name, and its labels."""

MISSING_METRICS: Final = {
    pattern: reason
    for patterns, difference, reason in rows("metrics of redis_exporter")
    if difference == "missing"
    for pattern in re.findall("`(.*?)`", patterns)
}
"""Why zinfo lacks metrics, by pattern of their names: as in metrics.md."""

MISSING_SAMPLES: Final = {
    r"redis_db_keys(_expiring)?\{db=\"db([1-9]|1[0-5])\"\}": (
        "databases that are empty, which INFO does not name; their number is from CONFIG GET"
    ),
    r"redis_db[0-9].*": "0 for a field of several numbers, which later versions do not export",
    r"redis_db_keys_cached(\{.*\})?": (
        "Valkey 9's keys_with_volatile_items, which redis_exporter takes for KeyDB's cached_keys, "
        "as both are the fourth of a database"
    ),
}
"""Why zinfo lacks samples, by pattern of their names and labels."""

OTHER_SAMPLES: Final = {
    r"redis_instance_info\{.*redis_mode=\"\".*\}": "of Valkey: its server_mode as redis_mode",
}
"""Why zinfo has other labels, by pattern of the samples of redis_exporter."""

_LATER: Final = {row.name: row for row in ROWS}
"""The metrics of the version of redis_exporter that zinfo follows."""

_OWN_TRAFFIC: Final = 0.1
"""Relative tolerance of a value: both scrapes are load on the server."""
_OWN_CALLS: Final = 20
"""Absolute tolerance: each sends some commands."""
_OWN_BYTES: Final = 100_000
"""Tolerance in bytes: each has a connection with its buffers."""

_SCRAPING: Final = 60
"""Tolerance in seconds of the time at which a server started: that of a scrape minus its uptime."""
_START: Final = "redis_start_time_seconds"

_IN_BYTES: Final = r".*bytes.*|redis_mem_clients_.*"
"""Metrics in bytes, by name or by the documentation of Redis."""

_PERCENTILES: Final = "redis_latency_percentiles_usec"
_CALLS: Final = "redis_commands_total"


class Row(NamedTuple):
    """One metric of redis_exporter.

    Attributes:
        name: of the metric.
        verdict: `same`, `later` if it is the same as in the version that zinfo follows, `known` if
            metrics.md lists the difference, `differs`, or `missing`.
        why: what differs; for what is missing where it comes from, empty where that is INFO.
    """

    name: str
    verdict: str
    why: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether the difference has no reason."""
        return self.verdict == "differs" or (self.verdict == "missing" and not self.why)


def compare(theirs: str, before: str, after: str) -> Iterator[Row]:
    """Yield a row for each metric of redis_exporter.

    Args:
        theirs: what redis_exporter said.
        before: what zinfo said before that, as `/scrape` gives it.
        after: and after that; the same text if both read one INFO, so that values must be equal.
    """
    types, own_types = families(theirs), families(after)
    values, low, high = samples(theirs), samples(before), samples(after)
    for name, metric in sorted(types.items()):
        if not name.startswith("redis_"):
            continue
        if name not in own_types:
            yield Row(name, "missing", _why_absent(name, own_types))
            continue
        found = list(_differences(name, values, low, high))
        own = own_types[name].type
        if own != metric.type:
            verdict = "later" if own == _LATER[name].kind else "differs"
            found.append((verdict, f"type {own}, not {metric.type}"))
        verdicts = [verdict for verdict, _why in found]
        worst = next((one for one in ("differs", "known", "later") if one in verdicts), "same")
        yield Row(name, worst, "; ".join(why for _verdict, why in found))


def _differences(
    name: str, values: Samples, low: Samples, high: Samples
) -> Iterator[tuple[str, str]]:
    """Yield the verdict on each sample that differs, and what differs."""
    part, most = _OWN_TRAFFIC, _OWN_BYTES if re.fullmatch(_IN_BYTES, name) else _OWN_CALLS
    if low == high:
        part, most = 0.0, _SCRAPING if name == _START else 0
    for key, value in values.items():
        if not _is_of(key[0], name):
            continue
        shown = key[0] + "{" + ",".join(f'{label}="{text}"' for label, text in sorted(key[1])) + "}"
        own = key if key in low else _with_later_labels(name, key, low)
        if own in low and own in high:
            if key[0] == _PERCENTILES:
                fits = value == low[own] == high[own] or _was_called(own, low, high)
            else:
                fits = _fits(value, low[own], high[own], part, most)
            if not fits:
                yield "differs", f"{shown} {low[own]:g} to {high[own]:g}, not {value:g}"
            elif own != key:
                labels = ", ".join(sorted(label for label, _text in own[1] - key[1]))
                yield "later", f"also labels {labels}"
        elif reason := _reason(shown, OTHER_SAMPLES):
            yield "known", reason
        elif not _why_missing(shown):
            yield "differs", f"no {shown}"


def _with_later_labels(name: str, key: Key, own: Samples) -> Key:
    """Return the sample of zinfo that has further labels of the later version; else the key."""
    if name not in _LATER:
        return key
    more = set(_LATER[name].labels) - {label for label, _text in key[1]}
    for other in own:
        rest = frozenset(label for label in other[1] if label[0] not in more)
        if (other[0], rest) == key:
            return other
    return key


def _was_called(percentile: Key, low: Samples, high: Samples) -> bool:
    """Return whether a command ran meanwhile, which changes its percentiles."""
    calls = _CALLS, frozenset(label for label in percentile[1] if label[0] == "cmd")
    return low[calls] != high[calls]


def _is_of(sample: str, metric: str) -> bool:
    return sample == metric or sample in (f"{metric}_sum", f"{metric}_count")


def _fits(value: float, low: float, high: float, part: float, most: float) -> bool:
    low, high = min(low, high), max(low, high)
    slack = max(abs(low), abs(high)) * part + most
    return low - slack <= value <= high + slack or math.isnan(value)


def _why_absent(name: str, own: Container[str]) -> str:
    """Return why zinfo has no sample of a metric, given all that it has; "" if for no reason."""
    if name.startswith("redis_cluster_") and "redis_cluster_size" not in own:
        return "from CLUSTER INFO, where INFO has no section of it"
    if name.startswith("redis_db_keys") and "redis_sentinel_masters" in own:
        return "of a Sentinel, which has no databases"
    return _why_missing(name)


def _why_missing(shown: str) -> str:
    """Return why zinfo lacks a metric or sample; "" if there is no reason."""
    name = shown.partition("{")[0]
    listed = (why for pattern, why in MISSING_METRICS.items() if fnmatchcase(name, pattern))
    return next(listed, "") or _reason(shown, MISSING_SAMPLES)


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


def table(title: str, found: Iterable[Row]) -> str:
    """Return a line for each metric, and the number of metrics for each verdict."""
    found = list(found)
    lines = [f"{row.verdict:8} {row.name:55} {row.why}".rstrip() for row in found]
    counts = Counter(row.verdict for row in found)
    summary = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
    return "\n  ".join([f"{title}: {summary}", *lines])


def main() -> None:
    """Print the table for each kind of server and each role."""
    if shutil.which(PROGRAM) is None:
        sys.exit(MISSING)
    with running_exporter() as exporter:
        for kind in available_kinds():
            with loaded_servers(kind) as servers, watching(*servers.values()) as daemon:
                for role, server in servers.items():
                    found = compare_with(server, daemon, exporter)
                    sys.stdout.write(table(f"{kind}, {role}", found) + "\n")


if __name__ == "__main__":
    main()
