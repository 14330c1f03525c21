"""The changelog has the form of Keep a Changelog 1.1.0, and its newest version is this one.

Changes since that version are under "Unreleased", before all versions.
"""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import zinfo

TEXT = (Path(__file__).parents[2] / "CHANGELOG.md").read_text(encoding="utf-8")

HEADINGS = re.findall(r"^## (.+)$", TEXT, re.MULTILINE)
HEADINGS = HEADINGS[1:] if HEADINGS[0] == "Unreleased" else HEADINGS

KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
"""The kinds of changes that Keep a Changelog knows."""


def test_each_version_has_a_date_and_the_newest_comes_first() -> None:
    versions = []
    for heading in HEADINGS:
        found = re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})", heading)
        assert found, heading
        versions.append((date.fromisoformat(found[2]), found[1]))
    assert versions == sorted(versions, reverse=True)
    assert versions[0][1] == zinfo.__version__


def test_each_version_has_the_target_of_its_link() -> None:
    targets = re.findall(r"^\[([\d.]+)\]: https://\S+$", TEXT, re.MULTILINE)
    assert [heading.split("]")[0].lstrip("[") for heading in HEADINGS] == targets


def test_changes_are_grouped_by_kind() -> None:
    assert set(re.findall(r"^### (.+)$", TEXT, re.MULTILINE)) <= KINDS
