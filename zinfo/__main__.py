"""The `zinfo` command: patches the process if a daemon will run in it, then runs the command line.

gevent must patch before anything imports `socket`, `threading` or `redis`, and the command line
imports them all. So the command is looked for in the arguments first. Every other command is a
client, needs no gevent, and starts faster without.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells count: 128 and the signal's number."""

DAEMON_COMMANDS = frozenset({"serve"})
"""The commands that run a daemon in this process."""


def runs_daemon(arguments: Sequence[str]) -> bool:
    """Whether the command line asks for a daemon in this process.

    The command is the first word that is no option: the options before it take no values.

    Args:
        arguments: The words after the program's name.
    """
    command = next((word for word in arguments if not word.startswith("-")), None)
    return command in DAEMON_COMMANDS


def main() -> None:
    """Run the command line with the arguments of this process."""
    try:
        if runs_daemon(sys.argv[1:]):
            from gevent import monkey

            monkey.patch_all()
            # gevent warns of sleeps that libuv rounds up to a millisecond, its own among them.
            warnings.filterwarnings("ignore", "libuv only supports millisecond", UserWarning)

        from zinfo.cli.app import cli

        cli(prog_name="zinfo")
    except KeyboardInterrupt:  # while modules are imported; later the command line takes it
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
