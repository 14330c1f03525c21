"""The source distribution has all files that are needed to test and package zinfo."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

import zinfo

ROOT = Path(__file__).parents[2]

pytest.importorskip("setuptools", reason="Python 3.12 and later come without; tox installs it")

PROJECT = ("benchmarks", "clients", "deploy", "docs", "tests", "zinfo")
"""The folders that are included completely."""

GENERATED = shutil.ignore_patterns(
    *(".*", "__pycache__", "build", "dist", "*.egg-info", "*.py[cod]", "*.so"),
    *("node_modules", "package-lock.json"),
)
"""Files in a working copy that are not part of the project; `.ci` is copied separately."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the project, so that a build does not write to the project."""
    copy = tmp_path_factory.mktemp("source") / "zinfo"
    shutil.copytree(ROOT, copy, ignore=GENERATED)
    shutil.copytree(ROOT / ".ci", copy / ".ci")
    (copy / "tests" / "__pycache__").mkdir()
    (copy / "tests" / "__pycache__" / "left_by_python.pyc").touch()
    return copy


@pytest.fixture(scope="module")
def packed(source: Path) -> set[str]:
    """Return the names of the files in the sdist."""
    command = [sys.executable, "setup.py", "--quiet", "sdist"]
    done = subprocess.run(
        command, cwd=source, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    top = f"zinfo-{zinfo.__version__}"
    with tarfile.open(source / "dist" / f"{top}.tar.gz") as archive:
        names = [member.name for member in archive.getmembers() if member.isfile()]
    assert all(name.startswith(f"{top}/") for name in names)
    return {name.removeprefix(f"{top}/") for name in names}


def test_the_sdist_has_every_file_of_the_project(source: Path, packed: set[str]) -> None:
    files = {
        path.relative_to(source).as_posix()
        for folder in PROJECT
        for path in (source / folder).rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    assert {"zinfo/py.typed", "tests/conftest.py", "tests/packaging/test_packaging.py"} <= files
    assert files - packed == set()


def test_the_sdist_has_the_build_files_tests_and_docs(packed: set[str]) -> None:
    explains = {"CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md"}
    builds = {"MANIFEST.in", "pyproject.toml", "setup.py", "tox.ini", "toxfile.py", ".ci/run"}
    assert explains | builds <= packed


def test_the_sdist_has_no_compiled_files(source: Path, packed: set[str]) -> None:
    assert list(source.rglob("*.pyc"))
    assert not [name for name in packed if name.endswith(".pyc")]


def test_it_can_be_built_without_a_compiler(source: Path) -> None:
    command = [sys.executable, "setup.py", "build_ext", "--build-lib", "build/none"]
    done = subprocess.run(
        command,
        cwd=source,
        env={**os.environ, "CC": "no-such-compiler"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "zinfo._native" in done.stdout + done.stderr, "the output names what is missing"
    assert not list((source / "build" / "none").rglob("_native*"))
