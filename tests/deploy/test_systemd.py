"""The systemd unit and the files that belong to it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.deploy.files import DEPLOY, OWN_PORTS, checked, program, run, with_alternatives
from zinfo.cli.app import USAGE
from zinfo.config import load_config
from zinfo.config.slices import slice_of
from zinfo.daemon.systemd import MAX_STARTUP
from zinfo.wire.slices import SliceSpec

FOLDER = DEPLOY / "systemd"
UNIT = FOLDER / "zinfo.service"
TEMPLATE = FOLDER / "zinfo@.service"
TEXT = UNIT.read_text(encoding="utf-8")

MOST_EXPOSED = 1.2
"""The highest rating by `systemd-analyze security`, of 10; the page of the unit states it, too."""


def setting(name: str) -> str:
    """Return the value of a setting that occurs once."""
    values = re.findall(rf"(?m)^{name}=(.*)$", TEXT)
    assert len(values) == 1, name
    return str(values[0])


def seconds(name: str) -> float:
    return float(setting(name).removesuffix("s"))


@pytest.fixture
def analyze() -> str:
    return program("systemd-analyze", "Debian: systemd")


@pytest.mark.parametrize("name", ["zinfo.service", "zinfo@1.service"])
@pytest.mark.parametrize("alternatives", [False, True])
def test_systemd_accepts_every_setting(
    analyze: str, tmp_path: Path, alternatives: bool, name: str
) -> None:
    # The program and the manual page are not installed here.
    text = (TEMPLATE if "@" in name else UNIT).read_text(encoding="utf-8")
    text = with_alternatives(text) if alternatives else text
    text = text.replace("/opt/zinfo/bin/zinfo", "/bin/true")
    text = re.sub(r"(?m)^Documentation=.*\n", "", text)
    unit = tmp_path / name
    if alternatives:  # Type=notify-reload needs systemd 253
        text = text.replace("Type=notify-reload\n", "")
    unit.write_text(text, encoding="utf-8")
    done = run(analyze, "verify", "--man=no", unit)
    mine = [line for line in done.stderr.splitlines() if name in line]
    assert (done.returncode, mine) == (0, [])


def test_systemd_reports_an_unknown_setting(analyze: str, tmp_path: Path) -> None:
    unit = tmp_path / "zinfo.service"
    unit.write_text("[Service]\nExecStart=/bin/true\nWatchdogSecs=30\n", encoding="utf-8")
    said = run(analyze, "verify", "--man=no", unit).stderr
    assert re.search(r"zinfo\.service:3: Unknown key.* 'WatchdogSecs'", said)


def test_the_template_is_the_unit_with_a_slice_and_directories_of_its_own() -> None:
    """What protects the one must protect the other."""

    def settings(path: Path) -> set[str]:
        lines = path.read_text(encoding="utf-8").splitlines()
        return {line for line in lines if line and not line.startswith("# ")}

    unit, template = settings(UNIT), settings(TEMPLATE)
    assert unit - template == {
        "Description=zinfo: polls the INFO of Redis and Valkey servers and publishes it",
        "RuntimeDirectory=zinfo",
        "StateDirectory=zinfo",
    }
    assert template - unit == {
        "Description=zinfo, slice %i: polls the INFO of Redis and Valkey servers and publishes it",
        "Environment=ZINFO_SLICE_NUMBER=%i",
        "EnvironmentFile=-/etc/zinfo/slice-%i.env",
        "RuntimeDirectory=zinfo-%i",
        "StateDirectory=zinfo/%i",
        "Environment=ZINFO_STATE_DIR=%S/zinfo/%i",
    }


def test_an_instance_of_the_template_has_the_slice_of_its_name() -> None:
    lines = re.findall(r"(?m)^Environment=(\w+)=(.*)$", TEMPLATE.read_text(encoding="utf-8"))
    for instance in ("1", "web-1"):
        environ = {name: value.replace("%i", instance) for name, value in lines}
        environ = {name: value.replace("%S", "/var/lib") for name, value in environ.items()}
        config = load_config(environ={**environ, "ZINFO_SLICE_COUNT": "3"})
        assert slice_of(config.slice, "other-7") == SliceSpec(1, 3)
        assert config.state_dir == f"/var/lib/zinfo/{instance}"


def test_the_exposure_is_at_most_the_documented_one(analyze: str) -> None:
    options = ["--offline=true", f"--threshold={round(MOST_EXPOSED * 10)}", "--no-pager"]
    done = run(analyze, "security", *options, UNIT)
    assert done.returncode == 0, done.stdout[-200:] + done.stderr
    page = (DEPLOY.parent / "docs" / "how-to" / "run-under-systemd.md").read_text(encoding="utf-8")
    assert f"{MOST_EXPOSED} of 10" in page


def test_the_start_timeout_is_longer_than_the_longest_start() -> None:
    assert setting("Type") == "notify"
    assert seconds("TimeoutStartSec") > MAX_STARTUP


def test_the_watchdog_is_longer_than_a_heartbeat_can_be_late() -> None:
    assert seconds("WatchdogSec") >= 10


def test_a_wrong_configuration_is_not_restarted() -> None:
    assert setting("RestartPreventExitStatus") == str(USAGE)


def test_zeromq_has_the_permissions_without_which_it_aborts() -> None:
    assert "AF_NETLINK" in setting("RestrictAddressFamilies").split()
    filters = re.findall(r"(?m)^SystemCallFilter=(.*)$", TEXT)
    assert filters[-1] == "sched_setscheduler", "the last filter wins"


def test_sysusers_creates_the_user_of_the_unit(tmp_path: Path) -> None:
    text = (FOLDER / "zinfo.sysusers.conf").read_text(encoding="utf-8")
    assert re.search(rf"(?m)^u {setting('User')} ", text)
    assert setting("Group") == setting("User")
    tool = program("systemd-sysusers", "Debian: systemd")
    (tmp_path / "etc").mkdir()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    done = run(tool, "--dry-run", f"--root={tmp_path}", "--inline", *lines)
    assert done.returncode == 0, done.stderr


def test_the_configuration_is_valid_with_and_without_the_commented_lines(tmp_path: Path) -> None:
    text = (FOLDER / "zinfo.toml").read_text(encoding="utf-8")
    for version in (text, with_alternatives(text)):
        config = checked(version, tmp_path)
        assert len(config.shards) == 1
        assert config.http.address == ("127.0.0.1", OWN_PORTS["http"])
    assert "--config /etc/zinfo/zinfo.toml" in setting("ExecStart")
