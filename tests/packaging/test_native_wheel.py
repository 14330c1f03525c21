"""One wheel is for all Python versions: built by the newest, it works on the oldest."""

from __future__ import annotations

import ast
import json
import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import msgpack
import pytest

from tests.clients.runtimes import NEWEST, bare_environment, find_python

setuptools = pytest.importorskip(
    "setuptools", reason="Python 3.12 and later come without; tox installs it"
)

ROOT = Path(__file__).parents[2]
BUILT_FROM = ("setup.py", "pyproject.toml", "README.md", "LICENSE")
CALLS = ROOT / "tests" / "native_calls.py"

BUILD = """
import runpy, sys, sysconfig

sysconfig.get_config_vars()["SOABI_PLATFORM"] = "x86_64-linux-gnu"
sys.argv = ["setup.py", "--quiet", "bdist_wheel"]
runpy.run_path("setup.py", run_name="__main__")
"""
"""Builds a wheel as on Python 3.15, where the suffix of extensions includes the platform."""

WITH_LENGTH = re.compile(r'Py(?:_BuildValue|Arg_\w+|Object_Call\w*)\([^;"]*"[^"]*#')
"""A format string with `#`, whose meaning differs between the Python versions of one wheel."""


class Installed(NamedTuple):
    """An unpacked wheel.

    Attributes:
        name: file name of the wheel.
        directory: the unpacked files.
        pythons: path of each Python on the machine, newest first.
    """

    name: str
    directory: Path
    pythons: list[str]


def run(command: list[str], directory: Path, path: Path) -> str:
    """Run a Python program that imports from a path; return what it prints."""
    done = subprocess.run(
        command,
        cwd=directory,
        env={
            **bare_environment(),
            "PYTHONPATH": str(path),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CFLAGS": "-O0",  # compiling takes most of the test's time
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Return a wheel built by the newest Python with the setuptools of this one."""
    pythons = list(filter(None, map(find_python, NEWEST)))
    if len(pythons) < 2:
        pytest.skip(f"only one Python of {', '.join(NEWEST)} on the PATH and in pyenv")
    base = tmp_path_factory.mktemp("wheel")
    source, tools, directory = base / "source", base / "tools", base / "unpacked"
    shutil.copytree(
        ROOT / "zinfo", source / "zinfo", ignore=shutil.ignore_patterns("*.so", "__pycache__")
    )
    for name in BUILT_FROM:
        shutil.copy(ROOT / name, source)
    tools.mkdir()
    for found in Path(setuptools.__file__).parent.parent.glob("*"):
        if re.match(r"setuptools(-.*\.dist-info)?$|_distutils_hack$|pkg_resources$", found.name):
            (tools / found.name).symlink_to(found)
    run([pythons[0], "-c", BUILD], source, tools)
    (wheel,) = (source / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(directory)
    if not list(directory.glob("zinfo/_native*")):
        pytest.skip(f"{pythons[0]} compiles nothing: no compiler, or no Python.h of it")
    return Installed(wheel.name, directory, pythons)


def test_one_wheel_is_for_every_python(installed: Installed) -> None:
    assert "-cp310-abi3-" in installed.name
    assert [path.name for path in installed.directory.glob("zinfo/_native*")] == ["_native.abi3.so"]


def test_a_wheel_built_by_the_newest_python_works_on_all_others(installed: Installed) -> None:
    outputs = [
        json.loads(run([python, str(CALLS)], installed.directory, installed.directory))
        for python in installed.pythons
    ]
    assert outputs == [outputs[0]] * len(outputs)
    returned: dict[str, Any] = {name: ast.literal_eval(text) for name, text in outputs[0].items()}
    entries, number, taken = returned["encode_entries"]
    unpacker = msgpack.Unpacker()
    unpacker.feed(entries)
    meta = {"info_age": 10.0, "state": "up", "revision": 7, "time": 1700000000.5}
    assert list(unpacker) == [
        {"used_memory": 1048576, "role": "master", "meta": {"shard_identifier": shard, **meta}}
        for shard in ("a", "c")
    ]
    assert (number, taken) == (2, 3)


def test_no_format_string_of_the_native_part_uses_lengths() -> None:
    found = [
        path.name
        for path in (ROOT / "zinfo" / "native").glob("*.c")
        if WITH_LENGTH.search(path.read_text(encoding="utf-8"))
    ]
    assert found == []
