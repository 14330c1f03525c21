"""The dependencies that zinfo admits have no published vulnerability."""

from __future__ import annotations

import os
from importlib import metadata

import pytest
from packaging.version import Version

from tests.floors import floors

REPAIRED = {
    "click": ("8.3.3", "CVE-2026-7246"),
    "gevent": ("25.4.1", "CVE-2023-41419; a request behind Expect: 100-continue (issue 2075)"),
    "msgpack": ("1.2.1", "CVE-2026-57585"),
    "psutil": ("5.6.6", "CVE-2019-18874"),
    "pydantic": ("2.4.0", "CVE-2024-3772"),
    "python-json-logger": ("3.3.0", "CVE-2025-27607"),
    "redis": ("4.5.4", "CVE-2023-28858, CVE-2023-28859"),
}
"""The first version without a published vulnerability, and the vulnerabilities fixed in it."""


@pytest.mark.parametrize("name", REPAIRED)
def test_no_version_with_a_known_vulnerability_is_admitted(name: str) -> None:
    version, repaired = REPAIRED[name]
    assert floors()[name] >= Version(version), repaired


@pytest.mark.skipif(
    "TEST_FLOORS" not in os.environ, reason="only `tox -e py310` installs the oldest versions"
)
def test_the_oldest_admitted_versions_are_installed() -> None:
    installed = {name: Version(metadata.version(name)) for name in floors()}
    assert installed == floors()
