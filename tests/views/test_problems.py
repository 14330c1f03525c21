"""Problems of shards and of zinfo, and their thresholds, which the alert rules share."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.daemons import ROOT
from tests.views.vectors import rows_of, vectors
from zinfo.client import Event
from zinfo.views.filtering import Filter
from zinfo.views.problem_checks import CHECKS, DAEMON_CHECKS, SEVERITIES, Check
from zinfo.views.problems import FIELDS, daemon_facts, find_problems

RULES = (ROOT / "deploy" / "prometheus" / "zinfo.rules.yml").read_text(encoding="utf-8")
ALERTS = dict(
    re.findall(r"(?ms)^      - alert: (\w+)\n(.*?)(?=^      - alert|^  - name|\Z)", RULES)
)


def event(values: dict[str, Any]) -> Event:
    return Event(**values, number=1, seq=1)


@pytest.mark.parametrize("case", vectors("problems")["cases"], ids=lambda case: case["about"])
def test_problems_are_those_of_the_vectors(case: dict[str, Any]) -> None:
    facts = daemon_facts(map(event, case.get("events", [])), case.get("now", 0))
    found = find_problems(rows_of(case["rows"]), facts)
    assert [[one.severity, one.shard, one.name, one.detail, one.since] for one in found] == case[
        "problems"
    ]


def test_every_check_of_a_shard_finds_something_in_the_vectors() -> None:
    found = {one[2] for case in vectors("problems")["cases"] for one in case["problems"]}
    assert {check.name for check in CHECKS} <= found


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_check_has_the_threshold_and_severity_of_its_alert(check: Check) -> None:
    """Expression and severity are read from the rules; `rule_text` is made from the threshold."""
    rule = ALERTS[check.rule]
    expression = rule.partition("expr:")[2].partition("labels:")[0]
    assert check.rule_text in " ".join(expression.split())
    assert f"severity: {check.severity}\n" in rule


def test_how_long_a_shard_loads_is_that_of_the_alert() -> None:
    """This threshold is in `for:`."""
    (loading,) = [check for check in CHECKS if check.name == "loading"]
    duration = re.findall(r"for: (\w+)", ALERTS[loading.rule])
    assert loading.condition.endswith(f"since>{duration[0]}")


def test_every_alert_about_servers_is_a_problem_too() -> None:
    """Except a restart, which is an event."""
    servers = {name for name in ALERTS if name.startswith("Redis")}
    assert servers - {"RedisRestarted"} == {check.rule for check in CHECKS}


@pytest.mark.parametrize("check", DAEMON_CHECKS, ids=lambda check: check.name)
def test_a_check_of_zinfo_has_the_severity_of_its_alert(check: Any) -> None:
    assert f"severity: {check.severity}\n" in ALERTS[check.rule]


def test_the_fields_are_those_of_conditions_and_details() -> None:
    for check in CHECKS:
        assert Filter(check.condition).fields <= check.fields <= FIELDS
        assert check.severity in SEVERITIES
    assert {"master_host", "maxmemory_policy", "master_link_down_since_seconds"} <= FIELDS
    assert len(FIELDS) < 30


def test_the_page_about_the_view_has_the_conditions() -> None:
    page = (ROOT / "docs" / "reference" / "top.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| .* \| (\w+) \| `(.*)` \|$", page.partition("## Problems")[2])
    assert rows == [(check.severity, check.condition) for check in CHECKS]
