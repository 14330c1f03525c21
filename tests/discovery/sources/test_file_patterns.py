"""Patterns match the files that they match in Prometheus."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from zinfo.discovery.sources import file_patterns
from zinfo.discovery.sources.file_patterns import check_file_pattern, matching_files

NAMES = ["a.json", "b.json", "ab.json", ".hidden.json", "a-b.json", "[x].json", "a.yml", "é.json"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        (
            "*.json",
            [".hidden.json", "[x].json", "a-b.json", "a.json", "ab.json", "b.json", "é.json"],
        ),
        ("?.json", ["a.json", "b.json", "é.json"]),
        ("a*.json", ["a-b.json", "a.json", "ab.json"]),
        ("[ab].json", ["a.json", "b.json"]),
        ("[a-b].json", ["a.json", "b.json"]),
        ("[^a].json", ["b.json", "é.json"]),
        ("a[\\-x]b.json", ["a-b.json"]),
        ("\\[x\\].json", ["[x].json"]),
        ("[[]x].json", ["[x].json"]),
        ("a.yml", ["a.yml"]),
        ("*.yaml", []),
        ("c.json", []),
    ],
)
def test_the_syntax_is_that_of_go(folder: Path, pattern: str, names: list[str]) -> None:
    path = f"{folder}/{pattern}"
    check_file_pattern(path)
    assert matching_files(path) == [f"{folder}/{name}" for name in names]


def test_directories_may_have_wildcards_without_a_star(folder: Path) -> None:
    for name in ("d1", "d2", "e1"):
        (folder / name).mkdir()
        (folder / name / "x.json").touch()
    path = f"{folder}/d?/*.json"
    # Prometheus allows * in the last part only, but ? and [ ] everywhere.
    assert matching_files(path) == [f"{folder}/d1/x.json", f"{folder}/d2/x.json"]
    assert matching_files(f"{folder}/a.json/x.json") == []
    assert matching_files(f"{folder}/nowhere/*.json") == []


def test_a_relative_pattern_stays_relative(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert matching_files("a*.json") == ["a-b.json", "a.json", "ab.json"]
    assert matching_files("./a.json") == ["./a.json"]


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "a",
        "a.txt",
        "/etc/*/a.json",
        "*/a.json",
        "a.json/",
        "a.Json",
        "[.json",
        "[].json",
        "[]a].json",
        "[^].json",
        "[b-a].json",
        "[a-].json",
        "[-a].json",
        "a[\\].json",
        "a\0.json",
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"expected|it has|it ends"):
        check_file_pattern(pattern)


def test_the_number_of_files_is_bounded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_patterns, "MAX_FILES", 6)
    with pytest.raises(OSError, match="more than 6 files match"):
        matching_files(f"{folder}/*.json")
    monkeypatch.setattr(file_patterns, "_MAX_ENTRIES", 3)
    with pytest.raises(OSError, match="more than 3 files to search"):
        matching_files(f"{folder}/*.json")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every directory")
def test_a_directory_that_cannot_be_read_is_an_error(folder: Path) -> None:
    folder.chmod(0)
    with pytest.raises(PermissionError):
        matching_files(f"{folder}/*.json")
    folder.chmod(0o700)
