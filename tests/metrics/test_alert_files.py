"""The files of deploy/prometheus: promtool takes them, and each alert says what to do."""

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
    """Return what promtool says of a file, which it must like."""
    done = subprocess.run(
        [TOOL, *args], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@promtool
def test_the_configuration_is_right() -> None:
    assert f"{len(ALERTS)} rules found" in run("check", "config", "prometheus.yml")


@promtool
def test_the_configuration_is_right_with_all_that_is_commented_out(tmp_path: Path) -> None:
    text = with_alternatives(configuration())
    assert set(jobs(text)) == {"zinfo", "redis"}
    assert "\n    authorization:\n" in text
    assert "\n    tls_config:\n" in text
    (tmp_path / "prometheus.yml").write_text(text)
    run("check", "config", "--syntax-only", str(tmp_path / "prometheus.yml"))


@promtool
def test_the_rules_are_right() -> None:
    assert f"{len(ALERTS)} rules found" in run("check", "rules", RULES)


@promtool
def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    assert "SUCCESS" in run("test", "rules", "zinfo.rules.test.yml")


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_is_tested_to_fire_and_not_to_fire(alert: str) -> None:
    cases = re.findall(rf"alertname: {alert}\n *exp_alerts:(.*)\n", TESTS)
    assert "" in cases, "it is never seen to fire"
    assert " []" in cases, "it is never seen not to fire"


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_how_bad_it_is_what_it_is_and_what_to_do(alert: str) -> None:
    text = ALERTS[alert]
    assert re.search(r"\n          severity: (critical|warning|info)\n", text)
    for name in ("summary", "description", "action"):
        assert re.search(rf'\n          {name}: (".{{10,}}"|>-\n            \S)', text), name
