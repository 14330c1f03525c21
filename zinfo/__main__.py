"""The `zinfo` command: patches the process if it needs gevent, then runs the command line.

gevent must patch before `socket`, `threading` or `redis` are imported, and the command line imports
all of them. So the arguments are searched for the command first. The daemon needs gevent, and so
does `zinfo check --discover`, which reads sources as the daemon does. All other commands start
faster without it.

`zinfo.client` and `zinfo.aio` need few of the dependencies and may be installed without the rest;
then the command prints what is missing.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

INTERRUPTED = 130
"""Exit code after Ctrl-C, by the convention of shells: 128 plus the signal's number."""

DAEMON_COMMANDS = frozenset({"serve"})
"""The commands that run a daemon in this process."""


DISCOVER = "--discover"
"""The option of `zinfo check` that reads sources."""


def needs_gevent(arguments: Sequence[str]) -> bool:
    """Return whether the command runs a daemon in this process, or reads sources as it does.

    The command is the first word that is not an option: options before it take no values.

    Args:
        arguments: the words after the program's name.
    """
    command = next((word for word in arguments if not word.startswith("-")), None)
    return command in DAEMON_COMMANDS or (command == "check" and DISCOVER in arguments)


def main() -> None:
    """Run the command line with the arguments of this process."""
    try:
        if needs_gevent(sys.argv[1:]):
            from zinfo.loop.patching import patch_all

            patch_all()
            # gevent warns of sleeps that libuv rounds up to a millisecond, even of its own.
            warnings.filterwarnings("ignore", "libuv only supports millisecond", UserWarning)

        from zinfo.cli.app import cli

        cli(prog_name="zinfo")
    except KeyboardInterrupt:  # during imports; later the command line handles it
        sys.exit(INTERRUPTED)
    except ModuleNotFoundError as error:
        package = (error.name or "zinfo").partition(".")[0]
        if package == "zinfo" or package in sys.stdlib_module_names:
            raise
        from zinfo.installation import command_for_module

        sys.exit(
            f"Error: the zinfo command needs {package}, which is not installed: "
            f"{command_for_module(package)}"
        )


if __name__ == "__main__":
    main()
