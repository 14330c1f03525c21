"""The files of deploy/prometheus are valid for promtool, and each alert has instructions."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.files import with_alternatives
from tests.metrics.prometheus import AVAILABLE, MISSING, TOOL
from tests.metrics.scraped import FOLDER, RULES, configuration, jobs

TEXT = (FOLDER / RULES).read_text(encoding="utf-8")
TESTS = (FOLDER / "zinfo.rules.test.yml").read_text(encoding="utf-8")
ALERTS = dict(re.findall(r"(?ms)^      - alert: (\w+)\n(.*?)(?=^      - alert|^  - name|\Z)", TEXT))

promtool = pytest.mark.skipif(not AVAILABLE, reason=MISSING)


def run(*args: str) -> str:
    """Return the output of promtool for a file, which must be valid."""
    done = subprocess.run(
        [TOOL, *args], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@promtool
def test_the_configuration_is_valid() -> None:
    assert f"{len(ALERTS)} rules found" in run("check", "config", "prometheus.yml")


@promtool
def test_the_configuration_with_all_comments_enabled_is_valid(tmp_path: Path) -> None:
    text = with_alternatives(configuration())
    assert set(jobs(text)) == {"zinfo", "redis"}
    assert "\n    authorization:\n" in text
    assert "\n    tls_config:\n" in text
    (tmp_path / "prometheus.yml").write_text(text)
    run("check", "config", "--syntax-only", str(tmp_path / "prometheus.yml"))


@promtool
def test_the_rules_are_valid() -> None:
    assert f"{len(ALERTS)} rules found" in run("check", "rules", RULES)


@promtool
def test_the_alerts_fire_exactly_when_expected() -> None:
    assert "SUCCESS" in run("test", "rules", "zinfo.rules.test.yml")


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_has_a_test_that_fires_and_one_that_does_not(alert: str) -> None:
    cases = re.findall(rf"alertname: {alert}\n *exp_alerts:(.*)\n", TESTS)
    assert "" in cases, "it is never seen to fire"
    assert " []" in cases, "it is never seen not to fire"


@pytest.mark.parametrize("alert", ALERTS)
def test_each_alert_has_severity_summary_and_instructions(alert: str) -> None:
    text = ALERTS[alert]
    assert re.search(r"\n          severity: (critical|warning|info)\n", text)
    for name in ("summary", "description", "action"):
        assert re.search(rf'\n          {name}: (".{{10,}}"|>-\n            \S)', text), name
