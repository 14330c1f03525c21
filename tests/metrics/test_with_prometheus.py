"""A real Prometheus scrapes daemons with deploy/prometheus, and the dashboards have data."""

from __future__ import annotations

import math
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.metrics.boards import BOARDS, DASHBOARD_763, DashboardQuery, filled, queries
from tests.metrics.exporter_comparison import fetch
from tests.metrics.loaded_servers import loaded_pair
from tests.metrics.prometheus import AVAILABLE, MISSING, TOOL, RunningPrometheus
from tests.metrics.scraped import (
    DEAD,
    Fleet,
    odd_pages,
    odd_scrape,
    scrape_of_all_texts,
    scraping,
    watched,
)
from tests.server_kinds import available_kinds
from tests.waiting import wait_until
from zinfo.metrics.exporter_table import ROWS
from zinfo.metrics.formats import TEXT
from zinfo.metrics.scrape import Scrape

pytestmark = pytest.mark.skipif(not AVAILABLE, reason=MISSING)

Result = list[tuple[dict[str, str], float]]

VALUES = {
    "__interval": "10s",
    "__rate_interval": "10s",
    "instance": ".*",
    "zinfo": ".*",
    "label": "namespace",
    "value": ".*",
    "top": "10",
}
"""Values that Grafana substitutes for the variables of a dashboard, without `shard`."""

QUIET = {
    "zinfo_faults_total": "no part of zinfo fails here",
    "zinfo_part_restarts_total": "nor is one started again",
    "zinfo_queries_dropped_total": "each question is answered",
    "zinfo_connections_total": "no client has a CURVE key",
    "zinfo_metrics_cut_total": "no shard has too many samples",
    "resets(redis_uptime_in_seconds": "no server is restarted",
}
"""Prefixes of queries without data in a healthy fleet, and why."""

NAMED_BY_OTHERS = frozenset(
    (
        *(row.name for row in ROWS),
        # names from INFO
        "redis_arch_bits",
        "redis_current_save_keys_total",
        "redis_eventloop_duration_cmd_sum",
        "redis_eventloop_duration_sum",
        "redis_instantaneous_eventloop_cycles_per_sec",
        "redis_instantaneous_ops_per_sec",
        "redis_paused_timeout_milliseconds",
        "redis_uptime_in_days",
    )
)
"""Metrics whose names the linter of promtool complains about."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of the keys and tokens in the configuration."""
    return tmp_path_factory.mktemp("keys")


@pytest.fixture(scope="module")
def fleet(folder: Path) -> Iterator[Fleet]:
    with loaded_pair(available_kinds()[0]) as (primary, replica):
        for server in (primary, replica):
            server.client().config_set("maxmemory", "100mb")
        with watched(primary, replica, folder) as running:
            yield running


@pytest.fixture(scope="module")
def prometheus(fleet: Fleet, folder: Path) -> Iterator[RunningPrometheus]:
    with odd_pages() as odd, scraping(fleet, folder, odd) as running:
        yield running


def answer(prometheus: RunningPrometheus, expr: str) -> Result:
    """Return the result of an expression, as soon as it is a number."""

    def found() -> Result:
        result = prometheus.query(expr)
        return result if any(not math.isnan(value) for _labels, value in result) else []

    return wait_until(found, timeout=60, what=f"data of {expr}", sleep=_patiently)


def _patiently(_seconds: float) -> None:
    """Poll ten times a second, not a hundred times."""
    time.sleep(0.1)


def test_each_job_of_the_configuration_scrapes_its_target(prometheus: RunningPrometheus) -> None:
    def health() -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for target in prometheus.get("targets")["activeTargets"]:
            state = target["lastError"] or target["health"]
            found.setdefault(target["labels"]["job"], set()).add(state)
        return found

    jobs = {"zinfo", "guarded", "redis", "odd", "odd_openmetrics", "shards"}
    wait_until(
        lambda: health() == {job: {"up"} for job in jobs},
        60,
        "each target to be scraped",
        sleep=_patiently,
    )


def test_each_shard_is_an_instance_with_a_label_for_its_zinfo(
    prometheus: RunningPrometheus, fleet: Fleet
) -> None:
    found = answer(prometheus, 'redis_up{job="zinfo"}')
    by_instance = {labels["instance"]: value for labels, value in found}
    assert by_instance == {fleet.primary.ident: 1, fleet.replica.ident: 1, DEAD: 0}
    (where,) = {labels["zinfo"] for labels, _value in found}
    assert where in fleet.daemon.http
    (own,) = answer(prometheus, 'zinfo_build_info{job="zinfo"}')
    assert own[0]["instance"] == own[0]["zinfo"] == where


def test_labels_of_shards_are_stored(prometheus: RunningPrometheus, fleet: Fleet) -> None:
    labels = {"instance": fleet.primary.ident, "namespace": "prod", "label_os": "mine"}
    labels["data_center"] = 'a"b\\c'
    ((found, _one),) = answer(prometheus, 'redis_instance_info{job="zinfo",role="master"}')
    assert found.items() >= labels.items()
    assert found["os"] != "mine"


def test_a_target_of_the_old_job_has_the_same_name(
    prometheus: RunningPrometheus, fleet: Fleet
) -> None:
    names = {fleet.primary.url, fleet.replica.url}  # each is scraped separately
    found: set[str] = set()

    def all_found() -> bool:
        up = prometheus.query('redis_up{job="redis"} == 1')
        found.update(labels["instance"] for labels, _one in up)
        return found >= names

    wait_until(all_found, 60, f"{names}", sleep=_patiently)
    assert found == names


def test_targets_found_in_sd_are_the_instances_of_the_metrics_page(
    prometheus: RunningPrometheus, fleet: Fleet
) -> None:
    expected = {fleet.primary.ident: 1.0, fleet.replica.ident: 1.0, DEAD: 0.0}

    def found() -> dict[str, float]:
        up = prometheus.query('redis_up{job="shards"}')
        return {labels["instance"]: value for labels, value in up}

    wait_until(lambda: found() == expected, 60, f"{expected}", sleep=_patiently)
    ((labels, _one),) = answer(prometheus, 'redis_instance_info{job="shards",role="master"}')
    assert (labels["instance"], labels["namespace"]) == (fleet.primary.ident, "prod")


@pytest.mark.parametrize("job", ["odd", "odd_openmetrics"])
def test_a_scrape_succeeds_with_any_bytes_in_info(job: str, prometheus: RunningPrometheus) -> None:
    ((_labels, count),) = answer(prometheus, f'count(redis_commands_total{{job="{job}"}})')
    # A name ends at a colon, a value at a comma or an equals sign, and a line at its end.
    assert count >= 250


def test_prometheus_stores_the_same_series_from_both_formats(prometheus: RunningPrometheus) -> None:
    def series(job: str) -> set[tuple[tuple[str, str], ...]]:
        answer(prometheus, f'redis_up{{job="{job}"}}')
        found = prometheus.get("series", {"match[]": f'{{job="{job}",__name__=~"redis_.*"}}'})
        return {tuple(sorted({**one, "job": ""}.items())) for one in found}

    in_text = series("odd")
    assert len(in_text) > 1000
    assert series("odd_openmetrics") == in_text


def test_prometheus_gets_openmetrics_from_the_daemon(prometheus: RunningPrometheus) -> None:
    """There the name of a counter is without `_total`."""
    for job, name in (("odd", "redis_commands_total"), ("zinfo", "redis_commands")):
        answer(prometheus, f'redis_commands_total{{job="{job}"}}')
        params = {"match_target": f'{{job="{job}"}}', "metric": name}
        types = {one["type"] for one in prometheus.get("targets/metadata", params)}
        assert types == {"counter"}, job


@pytest.mark.parametrize("expr", DASHBOARD_763)
def test_dashboard_763_has_data(expr: str, prometheus: RunningPrometheus) -> None:
    assert answer(prometheus, filled(expr, VALUES))


@pytest.mark.parametrize("label", ["instance", "namespace"])
def test_dashboard_763_has_values_for_its_variables(
    label: str, prometheus: RunningPrometheus, fleet: Fleet
) -> None:
    expected = {"instance": {fleet.primary.ident, fleet.replica.ident, DEAD}, "namespace": {"prod"}}
    answer(prometheus, 'redis_up{job="zinfo"}')
    series = prometheus.get("series", {"match[]": 'redis_up{job="zinfo"}'})
    assert {one[label] for one in series if label in one} == expected[label]


@pytest.mark.parametrize("query", queries(), ids=lambda query: f"{query.board}: {query.panel}")
def test_each_panel_of_the_dashboards_has_data(
    query: DashboardQuery, prometheus: RunningPrometheus, fleet: Fleet
) -> None:
    # Some panels have data for a primary only, others for a replica only.
    shards = [fleet.primary.ident, fleet.replica.ident] if "$shard" in query.expr else [""]
    exprs = [filled(query.expr, {**VALUES, "shard": shard}) for shard in shards]
    if any(start in query.expr for start in QUIET):
        assert [prometheus.query(expr) for expr in exprs] == [[]] * len(exprs)
        return
    assert answer(prometheus, " or ".join(f"({expr})" for expr in exprs))


def test_the_variables_of_the_dashboards_have_values(
    prometheus: RunningPrometheus, fleet: Fleet
) -> None:
    values = {**VALUES, "shard": fleet.primary.ident}
    answer(prometheus, "redis_up and on () zinfo_build_info")
    count = 0
    for board in BOARDS.values():
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                count += 1
                assert _values(prometheus, filled(variable["query"]["query"], values)), variable
    assert count == 6


def _values(prometheus: RunningPrometheus, query: str) -> set[str]:
    """Return the values of a variable in Grafana."""
    if query == "label_names()":
        return set(prometheus.get("labels"))
    found = re.fullmatch(r"label_values\((.*), (\w+)\)", query)
    assert found, query
    series = prometheus.get("series", {"match[]": found[1]})
    return {one[found[2]] for one in series if found[2] in one}


def test_each_alert_can_be_evaluated_and_the_one_for_a_down_shard_is_pending(
    prometheus: RunningPrometheus,
) -> None:
    def rules() -> dict[str, Any]:
        groups = prometheus.get("rules")["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    wait_until(lambda: rules()["RedisDown"]["alerts"], 60, "the alert", sleep=_patiently)
    wait_until(
        lambda: all(rule["health"] != "unknown" for rule in rules().values()),
        timeout=60,
        what="all rules to be evaluated",
        sleep=_patiently,
    )
    assert {rule.get("lastError", "") for rule in rules().values()} == {""}
    alerts = rules()["RedisDown"]["alerts"]
    assert {alert["labels"]["instance"] for alert in alerts} == {DEAD}, "by each of its jobs"
    assert all(alert["annotations"]["description"].endswith(" refused.") for alert in alerts)


def _promtool(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TOOL, "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_promtool_accepts_all_names_but_those_of_redis_exporter_and_info(fleet: Fleet) -> None:
    text = fetch(f"{fleet.daemon.http}metrics")
    done = _promtool(text)
    said = (done.stdout + done.stderr).splitlines()
    assert {line.split(" ")[0] for line in said} <= NAMED_BY_OTHERS, said
    assert "zinfo_polls_total" in text


@pytest.mark.parametrize("scrape", [odd_scrape, scrape_of_all_texts])
def test_promtool_parses_the_metrics_of_any_server(scrape: Callable[[], Scrape]) -> None:
    done = _promtool(b"".join(scrape().pieces(TEXT)).decode())
    # 3: it complains about names. 1: the text cannot be parsed.
    assert done.returncode in (0, 3), done.stderr
