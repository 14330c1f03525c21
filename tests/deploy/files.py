"""Helpers that read the files in deploy/ and find the programs that validate them."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from zinfo.config import Config, check_file

DEPLOY = Path(__file__).parents[2] / "deploy"

OWN_PORTS = {"query": 9736, "bus": 9737, "http": 9121}
"""The default ports of zinfo; for HTTP the port that the documentation uses."""


def default_ports() -> dict[str, int]:
    """Return the default ports of zinfo for queries and bus."""
    config = Config()
    return {
        name: int(endpoint.rpartition(":")[2])
        for name, endpoint in (("query", config.query.endpoint), ("bus", config.bus.endpoint))
    }


def read_yaml(path: Path) -> list[Any]:
    """Return the documents of a YAML file."""
    yaml = pytest.importorskip("yaml", reason="needs PyYAML (PyPI: pyyaml)")
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def checked(text: str, folder: Path) -> Config:
    """Return a configuration after checking it like `zinfo check`."""
    path = folder / "zinfo.toml"
    path.write_text(text, encoding="utf-8")
    return check_file(path)


def program(name: str, hint: str) -> str:
    """Return the path of a program in this environment or on the PATH; skip the test without it."""
    here = Path(sys.executable).with_name(name)
    found = str(here) if here.exists() else shutil.which(name)
    if not found:
        pytest.skip(f"needs {name} ({hint})")
    return found


def run(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, timeout=100, check=False, **options
    )


def with_alternatives(text: str) -> str:
    """Return a text in which lines after a `#` without a space, or with several, are enabled."""
    return re.sub(r"(?m)^( *)#(?=\S|  )", r"\1", text)
