"""The runtimes of the programs of clients/: Pythons and Node.js, each with its packages."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / "clients"
DRIVERS = Path(__file__).parent / "drivers"

INSTALL_TIMEOUT = 250.0
"""Longest time for an installer in seconds."""

VERSION_TIMEOUT = 60.0
"""Longest time for an interpreter to print its version, in seconds."""

PINNED = {
    "2.7": ("pyzmq==19.0.2", "msgpack==0.6.2"),
    "3.6": ("pyzmq==25.1.2", "msgpack==1.0.2"),
}
"""The newest packages that have wheels for Pythons that current versions no longer support."""

NEWEST = ("3.15", "3.14", "3.13", "3.12", "3.11", "3.10")

LEGACY = {"query": "legacy_query.py", "stream": "legacy_stream.py"}
NODE = {"query": "query.js", "stream": "stream.js"}

OLDEST_NODE = 18
"""The oldest major version of Node.js that the packages support."""


class Missing(Exception):
    """The machine has no such runtime; the text says what is missing."""


@dataclass(frozen=True)
class Runtime:
    """A way to start the programs of clients/.

    Attributes:
        command: Command that precedes the program's path.
        programs: Names of the files, by "query" and "stream".
        environ: Additional environment variables.
        home: Folder of the files.
        driver: The file in tests/clients/drivers/ that calls functions of the programs.
        distinguishes_floats: Whether 1 and 1.0 are different values.
    """

    command: Sequence[str]
    programs: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    home: str = str(CLIENTS)
    driver: str = "legacy.py"
    distinguishes_floats: bool = True

    def line(self, program: str, *arguments: str) -> list[str]:
        """The command line of a program, by "query" or "stream", or by the name of its file."""
        return [
            *self.command,
            str(Path(self.home, self.programs.get(program, program))),
            *arguments,
        ]

    def refused_line(self, program: str, *arguments: str) -> list[str]:
        """The command line of a program whose connection is refused before it sends."""
        driver = DRIVERS / ("refused.mjs" if self.driver == "node.mjs" else "refused.py")
        at = len(self.command)
        line = self.line(program, *arguments)
        return [*line[:at], str(driver), *line[at:]]

    def driver_line(self) -> list[str]:
        """The command line of the driver."""
        return [*self.command, str(DRIVERS / self.driver), self.home]


THIS = Runtime((sys.executable,), environ={"PYTHONPATH": str(ROOT)})  # mirror.py imports zinfo
"""The Python that runs the tests."""


def bare_environment() -> dict[str, str]:
    """This process's environment, without variables that affect another Python or zinfo."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "ZINFO_", "VIRTUAL_ENV", "PIP_TARGET", "COVERAGE_"))
    }


def python_with_packages(version: str, packages: Path) -> Runtime:
    """Find a Python, and pyzmq and msgpack for it.

    Args:
        version: Major and minor version, such as 2.7.
        packages: Directory in which missing packages are installed.

    Raises:
        Missing: There is no such Python, or its packages cannot be installed.
    """
    python = find_python(version)
    if python is None:
        raise Missing(f"no python{version} on the PATH or in pyenv (pyenv install {version})")
    environ = {"PYTHONDONTWRITEBYTECODE": "1"}
    if run_quietly([python, "-c", "import zmq, msgpack"]).returncode:
        needed = PINNED.get(version, ("pyzmq", "msgpack"))
        directory = packages / "-".join((version, *needed))
        if not directory.exists():
            pip_install(python, needed, directory)
        environ["PYTHONPATH"] = str(directory)
    return Runtime((python,), LEGACY, environ)


def pip_install(python: str, packages: Sequence[str], directory: Path) -> None:
    """Install packages for an interpreter into a directory, which exists only on success."""
    partial = directory.with_name("partial")
    options = ["--quiet", "--disable-pip-version-check", "--only-binary=:all:"]
    command = [python, "-m", "pip", "install", *options, "--target", str(partial), *packages]
    done = run_quietly(command, INSTALL_TIMEOUT)
    if done.returncode:
        shutil.rmtree(partial, ignore_errors=True)
        *_, message = ["no message", *done.stderr.strip().splitlines()]
        raise Missing(f"{python} cannot install {' and '.join(packages)} by pip: {message}")
    partial.rename(directory)


def newest_python(packages: Path) -> Runtime:
    """Find the newest Python of the machine, and pyzmq and msgpack for it."""
    version = next(version for version in NEWEST if find_python(version))
    return python_with_packages(version, packages)


@functools.cache
def find_python(version: str) -> str | None:
    """The path of a Python of this version that runs; not every shim of pyenv on the PATH does."""
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    candidates = [
        shutil.which(f"python{version}", path=directory)
        for directory in os.environ.get("PATH", "").split(os.pathsep)
    ]
    if sys.version_info[:2] == tuple(map(int, version.split("."))):
        candidates.insert(0, sys.executable)
    candidates += sorted(map(str, pyenv.glob(f"versions/{version}*/bin/python{version}")))
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return next(
        (
            path
            for path in filter(None, candidates)
            if run_quietly([path, "-c", code]).stdout.strip() == version
        ),
        None,
    )


def run_quietly(
    command: list[str], timeout: float = VERSION_TIMEOUT
) -> subprocess.CompletedProcess[str]:
    """Run a command; a failure to start and a timeout are results as well."""
    try:
        return subprocess.run(
            command,
            env=bare_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))


def node_with_packages(packages: Path, programs: Path) -> Runtime:
    """Find Node.js, and install the packages of its programs.

    Args:
        packages: Directory in which they are installed.
        programs: Folder for a copy of the programs; it is created.

    Raises:
        Missing: Node.js or npm is missing or too old, or the package registry is unreachable.
    """
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        raise Missing("no node and npm on the PATH (Debian: apt-get install nodejs npm)")
    version = run_quietly([node, "--version"]).stdout.strip()
    if not (found := re.match(r"v(\d+)\.", version)) or int(found[1]) < OLDEST_NODE:
        raise Missing(f"node is {version or 'broken'}, and {OLDEST_NODE} or later is needed")
    needed = CLIENTS / "node" / "package.json"
    key = hashlib.sha256(needed.read_bytes() + version.encode()).hexdigest()[:16]
    directory = packages / key
    if not directory.exists():
        npm_install(npm, needed, directory)
    shutil.copytree(CLIENTS / "node", programs, ignore=shutil.ignore_patterns("node_modules"))
    (programs / "node_modules").symlink_to(directory / "node_modules")
    return Runtime((node,), NODE, home=str(programs), driver="node.mjs", distinguishes_floats=False)


def npm_install(npm: str, needed: Path, directory: Path) -> None:
    """Install what a package.json needs into a directory, which exists only on success."""
    partial = directory.with_name("partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    shutil.copy(needed, partial)
    options = ["--no-audit", "--no-fund", "--no-package-lock", "--no-update-notifier"]
    options += ["--fetch-retries=1", "--fetch-timeout=20000", "--fetch-retry-mintimeout=500"]
    options += ["--fetch-retry-maxtimeout=2000"]
    done = run_quietly([npm, "install", *options, "--prefix", str(partial)], INSTALL_TIMEOUT)
    if done.returncode:
        *_, message = ["no message", *done.stderr.strip().splitlines()]
        raise Missing(f"npm install fails: {message}")
    partial.rename(directory)


RUNTIMES: dict[str, Callable[[Path, Path], Runtime]] = {
    "python2.7": lambda packages, _: python_with_packages("2.7", packages),
    "python3.6": lambda packages, _: python_with_packages("3.6", packages),
    "newest": lambda packages, _: newest_python(packages),
    "node": node_with_packages,
}
"""Functions that set up a runtime, by name.

The first argument is a directory for packages, which later sessions use again; the second one is
the path of a directory for a copy of the programs.
"""
