"""A plug-in of tox: environments named after a Python that tox itself cannot make any for.

`py27-clients` and `py36-clients` run the tests on the Python that tox has; the tests run the
clients on the Python of the name. Without this, tox would insist that an environment is of the
Python that its name begins with.
"""
# tox is not installed where types are checked.
# mypy: ignore-errors

from __future__ import annotations

from tox.plugin import impl
from tox.tox_env.python.virtual_env.runner import VirtualEnvRunner


class TestsForOthers(VirtualEnvRunner):
    """Runs an environment on the Python of tox itself, whatever the environment is called."""

    @staticmethod
    def id() -> str:
        """Return what `runner` in tox.ini is to be."""
        return "tests-for-others"

    @classmethod
    def extract_base_python(cls, env_name: str) -> str | None:  # noqa: ARG003 - that is the point
        """Return the Python that an environment's name asks for: none."""
        return None


@impl
def tox_register_tox_env(register) -> None:
    """Make the runner known."""
    register.add_run_env(TestsForOthers)
