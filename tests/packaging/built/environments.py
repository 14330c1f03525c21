"""Virtual environments into which tests install the wheel."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from typing_extensions import Self

from tests.clients.runtimes import INSTALL_TIMEOUT, bare_environment


class Environment(NamedTuple):
    """A virtual environment without pip; the pip of this one installs into it.

    Attributes:
        directory: of the environment.
    """

    directory: Path

    @classmethod
    def create(cls, directory: Path) -> Self:
        """Create an empty one."""
        command = [sys.executable, "-m", "venv", "--without-pip", str(directory)]
        subprocess.run(command, check=True, timeout=60)
        return cls(directory)

    @property
    def python(self) -> Path:
        """The path of its Python."""
        return self.directory / "bin" / "python"

    def environ(self) -> dict[str, str]:
        """Variables with which its programs come first, and pip installs into it."""
        path = (self.directory / "bin", Path(sys.executable).parent, os.environ["PATH"])
        return {
            **bare_environment(),
            "PATH": os.pathsep.join(map(str, path)),
            "PIP_PYTHON": str(self.python),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_QUIET": "1",
        }

    def run(self, *command: str | Path, directory: Path) -> subprocess.CompletedProcess[str]:
        """Run a command in a directory, which should not have a zinfo to import."""
        return subprocess.run(
            list(map(str, command)),
            cwd=directory,
            env=self.environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT,
            check=False,
        )
