"""Builds an sdist, and a wheel from it."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

from typing_extensions import Self

from tests.clients.runtimes import NEWEST, bare_environment, find_python

ROOT = Path(__file__).parents[3]

GENERATED = shutil.ignore_patterns(
    *(".*", "__pycache__", "build", "dist", "*.egg-info", "*.py[cod]", "*.so"),
    *("node_modules", "package-lock.json", "_build"),
)
"""Files in a working copy that are not part of the project; hidden ones are copied separately."""

WHEEL = """
import sysconfig
from setuptools import build_meta

sysconfig.get_config_vars()["SOABI_PLATFORM"] = "x86_64-linux-gnu"
build_meta.build_wheel("../..")
"""
"""Builds a wheel as pip does, on a Python that adds the platform to the suffix as 3.15 does."""

BUILD_TIMEOUT = 100.0
"""Longest time of one build in seconds; a test has 120."""


class Distributions(NamedTuple):
    """The sdist and the wheel of the project, and how they were made.

    Attributes:
        source: a copy of the project, from which the sdist was built; read-only for tests.
        sdist: the source distribution.
        wheel: the wheel, built from the sdist by the newest Python of the machine.
        pythons: each Python of the machine that zinfo supports, the newest first.
        output: what the builds printed.
    """

    source: Path
    sdist: Path
    wheel: Path
    pythons: list[str]
    output: str

    @classmethod
    def of(cls, directory: Path) -> Self:
        """Return the distributions in a directory that `build` has filled."""
        (sdist,) = directory.glob("*.tar.gz")
        (wheel,) = directory.glob("*.whl")
        output = (directory / "output.txt").read_text(encoding="utf-8")
        return cls(directory / "zinfo", sdist, wheel, _pythons(), output)

    def sdist_names(self) -> set[str]:
        """Return the names of the files in the sdist, relative to its only directory."""
        with tarfile.open(self.sdist) as archive:
            names = [member.name for member in archive.getmembers() if member.isfile()]
        top = f"{self.sdist.name.removesuffix('.tar.gz')}/"
        assert all(name.startswith(top) for name in names)
        return {name.removeprefix(top) for name in names}

    def wheel_names(self) -> set[str]:
        """Return the names of the files in the wheel."""
        with ZipFile(self.wheel) as archive:
            return set(archive.namelist())

    def metadata(self) -> Message:
        """Return the fields of METADATA in the wheel; the payload is the description."""
        (name,) = (n for n in self.wheel_names() if n.endswith(".dist-info/METADATA"))
        with ZipFile(self.wheel) as archive:
            return Parser().parsestr(archive.read(name).decode())


def _pythons() -> list[str]:
    return list(filter(None, map(find_python, NEWEST)))


def build(directory: Path) -> None:
    """Build both in a directory, without isolation: with the setuptools of this environment."""
    source, unpacked, tools = directory / "zinfo", directory / "unpacked", directory / "tools"
    shutil.copytree(ROOT, source, ignore=GENERATED)
    shutil.copytree(ROOT / ".ci", source / ".ci")
    shutil.copy(ROOT / ".dockerignore", source)
    (source / "tests" / "__pycache__").mkdir()
    (source / "tests" / "__pycache__" / "left_by_python.pyc").touch()
    output = run([sys.executable, "setup.py", "--quiet", "sdist", "--dist-dir=.."], source)
    (sdist,) = directory.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(unpacked, filter="data")
    (inner,) = unpacked.iterdir()
    tools.mkdir()
    setuptools = importlib.util.find_spec("setuptools")
    assert setuptools is not None
    assert setuptools.origin is not None
    for found in Path(setuptools.origin).parents[1].glob("*"):
        if re.match(r"setuptools(-.*\.dist-info)?$|_distutils_hack$|pkg_resources$", found.name):
            (tools / found.name).symlink_to(found)
    output += run([_pythons()[0], "-c", WHEEL], inner, tools)
    (directory / "output.txt").write_text(output, encoding="utf-8")


def run(command: list[str], directory: Path, path: Path | None = None) -> str:
    """Run a command; return what it prints, errors included.

    Args:
        command: the command and its arguments.
        directory: the working directory.
        path: from which Python imports in addition.
    """
    done = subprocess.run(
        command,
        cwd=directory,
        env={
            **bare_environment(),
            **({"PYTHONPATH": str(path)} if path else {}),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CFLAGS": "-O0",  # compiling takes most of the time
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=BUILD_TIMEOUT,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout
