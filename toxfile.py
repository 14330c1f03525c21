"""A plugin of tox: environments named after a Python for which tox cannot create environments.

`py27-clients` and `py36-clients` run the tests on tox's own Python; the tests run the clients on
the Python of the name. Without this plugin, tox would require the Python of the name.
"""
# tox is not installed in the environment that checks types.
# mypy: ignore-errors

from __future__ import annotations

from tox.plugin import impl
from tox.tox_env.python.virtual_env.runner import VirtualEnvRunner


class TestsForOthers(VirtualEnvRunner):
    """Runs an environment on tox's own Python, whatever its name."""

    @staticmethod
    def id() -> str:
        """Return the value of `runner` in tox.ini."""
        return "tests-for-others"

    @classmethod
    def extract_base_python(cls, env_name: str) -> str | None:  # noqa: ARG003 - ignored on purpose
        """Return no Python, whatever the name of the environment."""
        return None


@impl
def tox_register_tox_env(register) -> None:
    """Register the runner."""
    register.add_run_env(TestsForOthers)
