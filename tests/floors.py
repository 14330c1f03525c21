"""The oldest versions of dependencies that pyproject.toml admits.

`python -m tests.floors FILE` writes them as requirements for pip; `tox -e py310` tests with them.
"""

from __future__ import annotations

import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PYPROJECT = Path(__file__).parent.parent / "pyproject.toml"


def floors() -> dict[str, Version]:
    """The oldest admitted version of each dependency on this Python, by name.

    Raises:
        ValueError: A requirement has no lower bound.
    """
    project = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    found = {}
    for text in project["dependencies"]:
        needed = Requirement(text)
        if needed.marker and not needed.marker.evaluate():
            continue
        bounds = [bound.version for bound in needed.specifier if bound.operator == ">="]
        if len(bounds) != 1:
            raise ValueError(f"{text}: expected one lower bound")
        found[needed.name] = Version(bounds[0])
    return found


if __name__ == "__main__":
    lines = [f"{name}=={version}\n" for name, version in floors().items()]
    Path(sys.argv[1]).write_text("".join(lines), encoding="utf-8")
