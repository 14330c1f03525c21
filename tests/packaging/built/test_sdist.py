"""The source distribution has all files that are needed to test and package zinfo."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.packaging.built.distributions import Distributions

PROJECT = ("benchmarks", "clients", "deploy", "docs", "tests", "zinfo")
"""The folders that are included completely."""


def test_the_sdist_has_every_file_of_the_project(built: Distributions) -> None:
    files = {
        path.relative_to(built.source).as_posix()
        for folder in PROJECT
        for path in (built.source / folder).rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    assert {"zinfo/py.typed", "tests/conftest.py", "deploy/man/zinfo.1", "docs/index.md"} <= files
    assert files - built.sdist_names() == set()


def test_the_sdist_has_the_build_files_tests_and_docs(built: Distributions) -> None:
    explains = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md"}
    builds = {"MANIFEST.in", "pyproject.toml", "setup.py", "tox.ini", "toxfile.py"}
    hidden = {".ci/run", ".dockerignore"}
    assert explains | builds | hidden <= built.sdist_names()


def test_the_sdist_has_no_compiled_files(built: Distributions) -> None:
    assert list(built.source.rglob("*.pyc"))
    assert not [name for name in built.sdist_names() if name.endswith(".pyc")]


def test_setuptools_warns_of_nothing_deprecated(built: Distributions) -> None:
    assert "adding 'zinfo/py.typed'" in built.output
    assert not re.search(r"\w+Warning|deprecat", built.output), built.output


def test_it_can_be_built_without_a_compiler(built: Distributions, tmp_path: Path) -> None:
    library, objects = tmp_path / "library", tmp_path / "objects"
    command = [sys.executable, "setup.py", "build_ext"]
    done = subprocess.run(
        [*command, f"--build-lib={library}", f"--build-temp={objects}"],
        cwd=built.source,
        env={**os.environ, "CC": "no-such-compiler"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "zinfo._native" in done.stdout + done.stderr, "the output names what is missing"
    assert not list(library.rglob("_native*"))


def test_a_setuptools_that_is_too_old_is_named(built: Distributions, tmp_path: Path) -> None:
    (tmp_path / "old.py").write_text(
        "import runpy, setuptools\n"
        "setuptools.__version__ = '65.5.0'\n"
        "runpy.run_path('setup.py', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, tmp_path / "old.py", "sdist"],
        cwd=built.source,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "setuptools 77.0.3 or later, and 65.5.0 is installed" in line
