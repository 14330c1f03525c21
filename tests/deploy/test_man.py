"""The manual pages are up to date with the help texts, and valid."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from deploy.man.make import FOLDER, texts
from tests.deploy.files import program, run
from zinfo.cli.app import COMMANDS

PAGES = ["zinfo.1", *(f"zinfo-{name}.1" for name in COMMANDS)]


def test_there_is_a_page_for_each_command_and_no_other() -> None:
    assert {page.name for page in FOLDER.glob("*.1")} == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_a_file_is_up_to_date(name: str) -> None:
    made = texts()[name]
    assert (FOLDER / name).read_text(encoding="utf-8") == made, "python -m deploy.man.make"


@pytest.mark.parametrize("name", PAGES)
def test_mandoc_reports_only_the_missing_date(name: str) -> None:
    mandoc = program("mandoc", "Debian: mandoc")
    done = run(mandoc, "-T", "lint", "-W", "warning", FOLDER / name)
    said = [line for line in done.stdout.splitlines() if 'missing date, using ""' not in line]
    assert said == []


@pytest.mark.parametrize("name", PAGES)
def test_man_shows_a_page_without_a_warning(name: str, tmp_path: Path) -> None:
    man = program("man", "Debian: man-db")
    environ = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "100"}
    done = run(man, "--warnings", "-l", FOLDER / name, env={**environ, "HOME": str(tmp_path)})
    assert (done.returncode, done.stderr) == (0, "")
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "SEE ALSO"):
        assert re.search(rf"(?m)^{heading}$", done.stdout), heading


def test_a_page_shows_options_and_examples_without_rewrapping(tmp_path: Path) -> None:
    man = program("man", "Debian: man-db")
    environ = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANWIDTH": "100"}
    done = run(man, "-l", FOLDER / "zinfo-serve.1", env={**environ, "HOME": str(tmp_path)})
    shown = done.stdout
    assert re.search(r"(?m)^ +--shard URL$", shown)
    assert re.search(r"(?m)^ +-h, --help$", shown)
    assert re.search(r"(?m)^EXAMPLES$", shown)
    assert re.search(r"(?m)^ +zinfo serve --http 127\.0\.0\.1:9121 {10}metrics", shown)
