"""The unit for systemd, and what goes with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.deploy.files import DEPLOY, OWN_PORTS, checked, program, run, with_alternatives
from zinfo.cli.app import USAGE
from zinfo.daemon.systemd import MAX_STARTUP

FOLDER = DEPLOY / "systemd"
UNIT = FOLDER / "zinfo.service"
TEXT = UNIT.read_text(encoding="utf-8")

MOST_EXPOSED = 1.2
"""What `systemd-analyze security` says at most, of 10; docs/deployment.md tells it."""


def setting(name: str) -> str:
    """Return the value of a setting that there is once."""
    values = re.findall(rf"(?m)^{name}=(.*)$", TEXT)
    assert len(values) == 1, name
    return str(values[0])


def seconds(name: str) -> float:
    return float(setting(name).removesuffix("s"))


@pytest.fixture
def analyze() -> str:
    return program("systemd-analyze", "Debian: systemd")


@pytest.mark.parametrize("alternatives", [False, True])
def test_systemd_knows_all_of_it(analyze: str, tmp_path: Path, alternatives: bool) -> None:
    # What is not on this machine is a program and a manual page.
    text = with_alternatives(TEXT) if alternatives else TEXT
    text = text.replace("/opt/zinfo/bin/zinfo", "/bin/true")
    text = re.sub(r"(?m)^Documentation=.*\n", "", text)
    unit = tmp_path / "zinfo.service"
    if alternatives:  # of these one is for systemd 253 and later
        text = text.replace("Type=notify-reload\n", "")
    unit.write_text(text, encoding="utf-8")
    done = run(analyze, "verify", "--man=no", unit)
    mine = [line for line in done.stderr.splitlines() if "zinfo.service" in line]
    assert (done.returncode, mine) == (0, [])


def test_systemd_would_tell_of_what_it_does_not_know(analyze: str, tmp_path: Path) -> None:
    unit = tmp_path / "zinfo.service"
    unit.write_text("[Service]\nExecStart=/bin/true\nWatchdogSecs=30\n", encoding="utf-8")
    said = run(analyze, "verify", "--man=no", unit).stderr
    assert re.search(r"zinfo\.service:3: Unknown key.* 'WatchdogSecs'", said)


def test_it_exposes_as_little_as_is_said(analyze: str) -> None:
    options = ["--offline=true", f"--threshold={round(MOST_EXPOSED * 10)}", "--no-pager"]
    done = run(analyze, "security", *options, UNIT)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr
    page = (DEPLOY.parent / "docs" / "deployment.md").read_text(encoding="utf-8")
    assert f"{MOST_EXPOSED} of 10" in page


def test_it_waits_for_a_start_as_long_as_zinfo_may_take() -> None:
    assert setting("Type") == "notify"
    assert seconds("TimeoutStartSec") > MAX_STARTUP


def test_a_hung_loop_is_noticed_later_than_a_beat_can_be_late() -> None:
    assert seconds("WatchdogSec") >= 10


def test_a_wrong_configuration_is_not_started_again_and_again() -> None:
    assert setting("RestartPreventExitStatus") == str(USAGE)


def test_zeromq_may_do_what_it_aborts_without() -> None:
    assert "AF_NETLINK" in setting("RestrictAddressFamilies").split()
    filters = re.findall(r"(?m)^SystemCallFilter=(.*)$", TEXT)
    assert filters[-1] == "sched_setscheduler", "what comes later counts"


def test_its_user_is_made(tmp_path: Path) -> None:
    text = (FOLDER / "zinfo.sysusers.conf").read_text(encoding="utf-8")
    assert re.search(rf"(?m)^u {setting('User')} ", text)
    assert setting("Group") == setting("User")
    tool = program("systemd-sysusers", "Debian: systemd")
    (tmp_path / "etc").mkdir()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    done = run(tool, "--dry-run", f"--root={tmp_path}", "--inline", *lines)
    assert done.returncode == 0, done.stderr


def test_its_configuration_is_right_with_and_without_what_is_commented_out(tmp_path: Path) -> None:
    text = (FOLDER / "zinfo.toml").read_text(encoding="utf-8")
    for version in (text, with_alternatives(text)):
        config = checked(version, tmp_path)
        assert len(config.shards) == 1
        assert config.http.address == ("127.0.0.1", OWN_PORTS["http"])
    assert "--config /etc/zinfo/zinfo.toml" in setting("ExecStart")
