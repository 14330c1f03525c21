"""The `zinfo` command: its subcommands, and how all of them end.

A subcommand's module is imported when it is run or its help is printed, so that `zinfo get` loads
neither the daemon nor the validation of its configuration.

Exit codes: 0 done, 1 failed, 2 wrong usage (configuration included), 130 interrupted.
"""

from __future__ import annotations

import contextlib
import os
import sys
from importlib import import_module

import click

from zinfo._version import __version__
from zinfo.cli.text import printable
from zinfo.errors import ConfigError, ZinfoError

FAILED = 1
USAGE = 2
INTERRUPTED = 130  # 128 + SIGINT, as in shells

COMMANDS = {
    "serve": ("zinfo.cli.serve:serve", "Run the daemon: poll servers, publish, answer queries."),
    "shards": ("zinfo.cli.shards:shards", "List the shards: state, role, version, age, ..."),
    "get": ("zinfo.cli.get:get", "Print INFO of shards."),
    "columns": ("zinfo.cli.columns:columns", "Print some fields of all shards as a table."),
    "top": ("zinfo.cli.top:top", "Show all shards live, in a terminal or a browser."),
    "watch": ("zinfo.cli.watch:watch", "Print each change of INFO as it arrives."),
    "events": ("zinfo.cli.events:events", "Print the events of shards: up, down, restarted, ..."),
    "sources": (
        "zinfo.cli.sources:sources",
        "Show where the shards come from; remove what a source forgot.",
    ),
    "stats": ("zinfo.cli.stats:stats", "Print the daemon's own counters."),
    "record": ("zinfo.cli.record:record", "Write what a daemon publishes to a file."),
    "replay": ("zinfo.cli.replay:replay", "Publish a recording again, for any client."),
    "sink": ("zinfo.cli.sink:sink", "Write what daemons publish into another system."),
    "check": ("zinfo.cli.check:check", "Validate a configuration file."),
    "keygen": (
        "zinfo.cli.keygen:keygen",
        "Make CURVE keys for a daemon and its clients.",
    ),
    "demo": ("zinfo.cli.demo:demo", "Start servers, put load on them, and show them live."),
}
"""Where each command is defined, and what it does, in the order of the help."""


class SuggestingGroup(click.Group):
    """A group that answers an unknown command with the most similar one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command of a command line, and its arguments.

        Raises:
            click.UsageError: there is no such command.
        """
        name = args[0]
        known = self.list_commands(ctx)
        if name not in known and not name.startswith("-") and not ctx.resilient_parsing:
            from zinfo.wire.nearest import nearest

            ctx.fail(f"no command {name!r}{nearest(name, known)}")
        return super().resolve_command(ctx, args)


class Commands(SuggestingGroup):
    """A group that imports commands on demand, and turns errors into exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's)
        """Return the names, in the order of the help."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 (click's)
        cmd_name: str,
    ) -> click.Command | None:
        """Return the command with this name; None where there is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 (click's)
        formatter: click.HelpFormatter,
    ) -> None:
        """Write the list of commands into the help, without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, short) for name, (_, short) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; zinfo's errors, Ctrl-C and a closed pipe end it without a traceback."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for problem in error.problems:
                click.echo(f"Error: {printable(problem)}", err=True)
            ctx.exit(USAGE)
        except ZinfoError as error:
            click.echo(f"Error: {printable(str(error))}", err=True)
            ctx.exit(FAILED)
        except BrokenPipeError:  # the reader has closed the pipe, as `| head` does
            ctx.exit()
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        finally:
            _settle_stdout()


def _settle_stdout() -> None:
    """Discard buffered output that cannot be written.

    Python would try to write it again when the process ends, and fail with exit code 120.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def verbatim(title: str, *lines: str) -> str:
    """Return a part of a command's help whose lines are not wrapped."""
    return f"\b\n{title}:\n" + "\n".join(f"  {line}" for line in lines)


def examples(*lines: str) -> str:
    """Return the part of a command's help with example command lines."""
    return verbatim("Examples", *lines)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "zinfo serve                              poll the servers of this machine",
        "zinfo serve --shard redis://db-1:6379    poll this one",
        "zinfo shards                             list the shards and their states",
        "zinfo get --section memory               print a part of INFO from the daemon's cache",
        "zinfo watch --key used_memory            print each change as it happens",
        "zinfo COMMAND --help                     the help of one command",
    ),
)
@click.version_option(__version__, prog_name="zinfo", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Poll the INFO of many Redis and Valkey servers once, for any number of clients.

    `zinfo serve` is the daemon: it polls busy servers more often than idle ones, caches the newest
    INFO of each, and publishes changes. Commands such as `shards`, `get`, `watch` and `top` query a
    running daemon, never a server. A shard is one server that the daemon polls.
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":  # https://no-color.org
        ctx.color = False
