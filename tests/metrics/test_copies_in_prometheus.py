"""A real Prometheus scrapes two daemons that poll the same shards: nothing counts twice.

A third daemon, which is no part of the fleet, polls them as well. Each query has to give the same
for the fleet as for this one.
"""

from __future__ import annotations

import contextlib
import functools
import math
import re
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from deploy.grafana.copies import MEMBER
from tests.daemons import RunningDaemon
from tests.deploy.files import with_alternatives
from tests.metrics.boards import filled, queries
from tests.metrics.loaded_servers import loaded_pair
from tests.metrics.prometheus import AVAILABLE, MISSING, RunningPrometheus
from tests.metrics.scraped import ADDRESS, DEAD, FOLDER, RULES, configuration, jobs
from tests.server_kinds import available_kinds
from tests.waiting import wait_until

pytestmark = pytest.mark.skipif(not AVAILABLE, reason=MISSING)

FLEET = "fleet"
"""Name of the fleet in the shipped configuration."""

SHARDS = 3
_HITS, _MISSES = 300, 100  # reads while Prometheus watches
_SAME = 1.6  # two sums may differ by this factor, because daemons poll at different times

Series = Counter[tuple[tuple[str, str], ...]]


class Setup(NamedTuple):
    """What runs.

    Attributes:
        prometheus: which scrapes all daemons each second.
        members: the daemons of the fleet.
        alone: value of the label `zinfo` of the daemon that is no part of it.
        shards: ids of the servers.
    """

    prometheus: RunningPrometheus
    members: tuple[RunningDaemon, RunningDaemon]
    alone: str
    shards: tuple[str, str]


@pytest.fixture(scope="module")
def setup() -> Iterator[Setup]:
    with contextlib.ExitStack() as stack:
        primary, replica = stack.enter_context(loaded_pair(available_kinds()[0]))
        shards = (primary.ident, replica.ident)
        text = "".join(
            f'[[shards]]\nurl = "redis://{one}"\nlabels = {{ namespace = "prod" }}\n'
            for one in (*shards, DEAD)
        )
        first, second, alone = (
            stack.enter_context(RunningDaemon(config_text=part, http=True))
            for part in (*(_slice(number) + text for number in range(2)), text)
        )
        for daemon in (first, second, alone):
            daemon.wait_polled(2)
        files = _files(_address(first), _address(second), _address(alone))
        prometheus = stack.enter_context(RunningPrometheus(files))
        _wait_for(prometheus, "count(redis_keyspace_hits_total)", 6)
        client = primary.client()
        for number in range(_HITS):
            client.get("a")
            if number < _MISSES:
                client.get("missing")
        hits = "sum(increase(redis_keyspace_hits_total[5m]) > 0)"
        _wait_for(prometheus, f"count({hits} > {_HITS * 2.5})", 1)
        yield Setup(prometheus, (first, second), _address(alone), shards)


def _slice(number: int) -> str:
    return f"[slice]\nnumber = {number}\ncount = 2\ncopies = 2\n"


def _address(daemon: RunningDaemon) -> str:
    return urlsplit(daemon.http).netloc


def _files(first: str, second: str, alone: str) -> dict[str, str]:
    """Return the shipped configuration, with the alternative for a fleet, and the rules."""
    shipped = configuration().replace("15s", "1s").replace("timeout: 10s", "timeout: 1s")
    start, end = (shipped.index(f"# {word}") for word in ("Alternative: the", "If zinfo requires"))
    plain = jobs(shipped)["zinfo"]
    shipped = shipped[:start] + with_alternatives(shipped[start:end]) + shipped[end:]
    text = (
        shipped[: shipped.index("  - job_name:")]
        + jobs(shipped)["zinfo"].replace(f'"{ADDRESS}"', f'"{first}", "{second}"')
        + plain.replace(ADDRESS, alone).replace("name: zinfo", "name: alone")
    )
    return {"prometheus.yml": text, RULES: (FOLDER / RULES).read_text(encoding="utf-8")}


def _wait_for(prometheus: RunningPrometheus, expr: str, value: float) -> None:
    wait_until(
        lambda: [one for _labels, one in prometheus.query(expr)] == [value],
        timeout=60,
        what=f"{expr} to be {value}",
        sleep=lambda _seconds: time.sleep(0.1),
    )


def _results(setup: Setup, expr: str, zinfo: str) -> tuple[Series, float]:
    """Return the label sets of a result, without those of the daemons, and the sum of it."""
    found = setup.prometheus.query(expr)
    ignored = ("job", "zinfo", MEMBER)
    series = Counter(
        tuple(sorted((name, value) for name, value in labels.items() if name not in ignored))
        for labels, _value in found
        if labels.get("zinfo", zinfo) == zinfo
    )
    values = [value for labels, value in found if labels.get("zinfo", zinfo) == zinfo]
    return series, math.fsum(value for value in values if not math.isnan(value))


def _same_results(setup: Setup, exprs: dict[str, str], *, sums: bool) -> bool:
    """Whether expressions of the fleet and of the other daemon give the same; by `zinfo`."""
    (ours, total), (theirs, other) = (
        _results(setup, exprs[zinfo], zinfo) for zinfo in (FLEET, setup.alone)
    )
    if ours != theirs:
        return False
    return not sums or total == other or 1 / _SAME < total / (other or math.inf) < _SAME


def _all_queries(setup: Setup) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each query of the fleet's dashboard for a shard, by value of the label `zinfo`."""
    values = {"__rate_interval": "5m", "instance": ".*", "label": "namespace", "value": ".*"}
    for query in queries():
        if query.board == "fleet.json":
            for shard in setup.shards if "$shard" in query.expr else [""]:
                more = {**values, "top": "20", "shard": shard}
                yield (
                    query.expr,
                    {
                        zinfo: filled(query.expr, {**more, "zinfo": zinfo})
                        for zinfo in (FLEET, setup.alone)
                    },
                )


def _compare_all(setup: Setup) -> None:
    count = 0
    for text, exprs in _all_queries(setup):
        count += 1
        sums = bool(re.search(r"\b(sum|count)\b", text))
        wait_until(
            functools.partial(_same_results, setup, exprs, sums=sums),
            timeout=60,
            what=f"the same result for the fleet: {exprs[FLEET]}",
            sleep=lambda _seconds: time.sleep(0.1),
        )
    assert count > 60


def _rules(setup: Setup) -> list[dict[str, Any]]:
    groups = setup.prometheus.get("rules")["groups"]
    return [rule for group in groups if group["name"] == "redis" for rule in group["rules"]]


def test_the_dashboard_shows_two_copies_as_one(setup: Setup) -> None:
    everything = f'redis_up{{zinfo="{FLEET}"}}'
    assert len(setup.prometheus.query(everything)) == SHARDS * 2, "both copies are scraped"
    _compare_all(setup)


def test_no_panel_adds_the_shards_of_several_daemons(setup: Setup) -> None:
    found = [
        filled(query.expr, {"instance": ".*"})
        for query in queries()
        if "zinfo_shards" in query.expr
    ]
    assert len(found) == 3
    for expr in found:
        values = [value for _labels, value in setup.prometheus.query(expr)]
        assert 0 < max(values) <= SHARDS, expr


def test_each_alert_about_a_shard_is_one_alert(setup: Setup) -> None:
    rules = _rules(setup)
    assert len(rules) == 12
    for rule in rules:
        # Any threshold is exceeded, so that each shard would cause the alert.
        expr = re.sub(r"(==|<|>) [\d.]+", ">= -1", rule["query"])
        expr = expr.replace('state="loading"', 'state="up"')  # in which the shards are
        ours, _total = _results(setup, expr, FLEET)
        theirs, _total = _results(setup, expr, setup.alone)
        assert ours, expr
        assert ours == theirs, expr
    _wait_for(setup.prometheus, f'count(ALERTS{{alertname="RedisDown",zinfo="{FLEET}"}})', 1)


def test_a_killed_daemon_leaves_no_hole(setup: Setup) -> None:
    """Runs last: afterwards one daemon of the fleet is gone."""
    prometheus = setup.prometheus
    (start,) = (value for _labels, value in prometheus.query("time()"))
    (before,) = _down_alerts(setup)
    setup.members[1].kill()
    killed = f'{MEMBER}="{_address(setup.members[1])}"'
    _wait_for(prometheus, f"count(redis_up{{{killed}}}) or vector(0)", 0)
    _compare_all(setup)
    (end,) = (value for _labels, value in prometheus.query("time()"))
    period = {"start": str(start), "end": str(end), "step": "1"}
    exprs = [exprs[FLEET] for text, exprs in _all_queries(setup) if text.startswith("count(max")]
    assert exprs
    for expr in exprs:
        (series,) = prometheus.get("query_range", {"query": expr, **period})["result"]
        assert {value for _time, value in series["values"]} <= {str(SHARDS), "1"}, expr
        assert len({value for _time, value in series["values"]}) == 1, expr
        assert len(series["values"]) == int(end - start) + 1, expr
    (after,) = _down_alerts(setup)
    assert after["activeAt"] == before["activeAt"]
    assert after["labels"] == before["labels"]


def _down_alerts(setup: Setup) -> list[dict[str, Any]]:
    (rule,) = (rule for rule in _rules(setup) if rule["name"] == "RedisDown")
    return [alert for alert in rule["alerts"] if alert["labels"]["zinfo"] == FLEET]
