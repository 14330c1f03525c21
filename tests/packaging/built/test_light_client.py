"""The clients work in an environment that has zinfo without the dependencies of the daemon."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import ServerFactory
from tests.daemons import RunningDaemon
from tests.deploy.files import program
from tests.floors import floors
from tests.packaging.built.distributions import ROOT, Distributions
from tests.packaging.built.environments import Environment
from tests.packaging.built.shared import once

PAGE = (ROOT / "docs" / "how-to" / "install-the-light-client.md").read_text(encoding="utf-8")

NEEDED = ("msgpack", "msgspec", "pyzmq")
"""The dependencies of the clients."""

BLOCKING = """
import sys
from zinfo.client import Client, Mirror, Subscriber

with Client(sys.argv[1]) as client:
    print([info["role"] for info in client.get_infos(keys=["role"])])
with Subscriber(sys.argv[1], kinds=["hb"]) as updates:
    print(type(next(iter(updates))).__name__)
with Mirror(sys.argv[1]) as mirror:
    mirror.wait_ready(timeout=10)
    print([mirror[shard]["role"] for shard in mirror], mirror.stale)
"""

ASYNCIO = """
import asyncio, sys
from zinfo.aio import Client, Mirror, Subscriber

async def main(endpoint):
    async with Client(endpoint) as client:
        print([info["role"] for info in await client.get_infos(keys=["role"])])
    async with Subscriber(endpoint, kinds=["hb"]) as updates:
        async for update in updates:
            print(type(update).__name__)
            break
    async with Mirror(endpoint) as mirror:
        await mirror.wait_ready(timeout=10)
        print([mirror[shard]["role"] for shard in mirror], mirror.stale)

asyncio.run(main(sys.argv[1]))
"""

PRINTED = "['master']\nHeartbeat\n['master'] False\n"

LOOK = """
import importlib.metadata, importlib.util, zinfo
print(*sorted(one.name for one in importlib.metadata.distributions()))
heavy = ("gevent", "redis", "psutil", "pydantic", "click")
print(*[name for name in heavy if importlib.util.find_spec(name)])
print(zinfo.__file__)
"""
"""Prints the installed packages, those of the daemon that can be imported, and where zinfo is."""


def blocks(fence: str) -> list[str]:
    """Return the code blocks of the page that begin with ```FENCE."""
    return re.findall(rf"^```{re.escape(fence)}\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def light(built: Distributions, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment into which the commands of the page have installed the clients."""

    def fill(directory: Path) -> None:
        shutil.copy(built.wheel, directory)
        (commands,) = blocks("sh installs")
        environment = Environment.create(directory / "env")
        done = environment.run("sh", "-ec", commands, directory=directory)
        if "No matching distribution found for pyzmq" in done.stderr:
            pytest.skip(f"pip finds no pyzmq: {done.stderr}")
        assert done.returncode == 0, done.stderr

    return Environment(once(tmp_path_factory, "light_client", fill) / "env")


def test_it_has_the_packages_of_the_page_and_no_other(light: Environment, tmp_path: Path) -> None:
    done = light.run(light.python, "-c", LOOK, directory=tmp_path)
    assert done.returncode == 0, done.stderr
    packages, heavy, place = done.stdout.splitlines()
    assert packages.split() == [*NEEDED, "zinfo"]
    assert heavy == ""
    assert Path(place).is_relative_to(light.directory)


@pytest.mark.parametrize("code", [BLOCKING, ASYNCIO], ids=["blocking", "asyncio"])
def test_client_subscriber_and_mirror_work(
    light: Environment, server_factory: ServerFactory, code: str, tmp_path: Path
) -> None:
    with RunningDaemon([server_factory().url]) as daemon:
        daemon.wait_polled(1)
        done = light.run(light.python, "-c", code, daemon.query, directory=tmp_path)
    assert (done.returncode, done.stdout) == (0, PRINTED), done.stderr


@pytest.mark.parametrize(("command", "missing"), [("get", "click"), ("serve", "gevent")])
def test_the_command_names_the_package_that_is_missing(
    light: Environment, command: str, missing: str, tmp_path: Path
) -> None:
    done = light.run("zinfo", command, directory=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    (shown,) = blocks("text")
    # The command of the page is that of an environment with pip.
    beginning, _, packages = shown.strip().partition(" /opt/app/bin/python -m pip install ")
    assert line.startswith(beginning.replace("click", missing) + " ")
    assert line.endswith(f"{light.directory}/bin/python {packages}")


def test_the_program_of_the_page_works(
    light: Environment, server_factory: ServerFactory, tmp_path: Path
) -> None:
    (code,) = blocks("python")
    with RunningDaemon([server_factory().url]) as daemon:
        daemon.wait_polled(1)
        code = code.replace("tcp://127.0.0.1:9736", daemon.query)
        done = light.run(light.python, "-c", code, directory=tmp_path)
    assert (done.returncode, done.stdout) == (0, "1 shards\n"), done.stderr


def test_the_requirements_files_of_the_page_install_the_same(
    built: Distributions, light: Environment, tmp_path: Path
) -> None:
    shutil.copy(built.wheel, tmp_path)
    for name in ("requirements.txt", "requirements-no-deps.txt"):
        (tmp_path / name).write_text(*blocks(f"text {name}"))
    environment = Environment.create(tmp_path / "env")
    (commands,) = blocks("sh requirements")
    done = environment.run("sh", "-ec", commands, directory=tmp_path)
    assert done.returncode == 0, done.stderr
    found, expected = (
        one.run(one.python, "-c", LOOK, directory=tmp_path).stdout.splitlines()[:2]
        for one in (environment, light)
    )
    assert found == expected


def test_uv_installs_the_same_for_the_pyproject_of_the_page(
    built: Distributions, light: Environment, tmp_path: Path
) -> None:
    uv = program("uv", "PyPI: uv")
    shutil.copy(built.wheel, tmp_path)
    (tmp_path / "pyproject.toml").write_text(*blocks("toml"))
    done = light.run(uv, "sync", f"--python={sys.executable}", directory=tmp_path)
    assert done.returncode == 0, done.stderr
    environment = Environment(tmp_path / ".venv")
    look = environment.run(environment.python, "-c", LOOK, directory=tmp_path)
    assert look.stdout.splitlines()[:2] == [" ".join([*NEEDED, "zinfo"]), ""]


def test_the_page_has_the_lower_bounds_of_pyproject() -> None:
    found = re.findall(rf"({'|'.join(NEEDED)})>=([\d.]+)", PAGE)
    assert {name for name, _ in found} == set(NEEDED)
    assert {(name, bound) for name, bound in found} == {
        (name, str(floors()[name])) for name in NEEDED
    }
