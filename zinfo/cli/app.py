"""The `zinfo` command: which commands there are, and what holds for all of them.

A command's module is imported when the command is run or its help is asked for, so that
`zinfo get` loads neither the daemon nor what validates its configuration.

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
INTERRUPTED = 130  # 128 + SIGINT, as shells say it

COMMANDS = {
    "serve": ("zinfo.cli.serve:serve", "Run the daemon: poll servers, publish, answer queries."),
    "shards": ("zinfo.cli.shards:shards", "List the shards: state, role, version, age, ..."),
    "get": ("zinfo.cli.get:get", "Show INFO of shards."),
    "top": ("zinfo.cli.top:top", "Show all shards live, in a terminal."),
    "watch": ("zinfo.cli.watch:watch", "Show each change of INFO as it arrives."),
    "events": ("zinfo.cli.events:events", "Show what happened to shards: up, down, restarted, ..."),
    "stats": ("zinfo.cli.stats:stats", "Show the daemon's own counters."),
    "record": ("zinfo.cli.record:record", "Write what a daemon publishes into a file."),
    "replay": ("zinfo.cli.replay:replay", "Publish what was recorded again, for any client."),
    "check": ("zinfo.cli.check:check", "Validate a configuration file."),
    "keygen": (
        "zinfo.cli.keygen:keygen",
        "Make the keys by which daemon and clients know each other.",
    ),
    "demo": ("zinfo.cli.demo:demo", "Start servers, put load on them and show them live."),
}
"""Where each command is defined and what it does, in the order of the help."""


class Commands(click.Group):
    """A group that imports its commands when they are asked for, and ends all of them alike."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 (click's)
        """Return the names, in the order of the help."""
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 (click's)
        cmd_name: str,
    ) -> click.Command | None:
        """Return a command by its name; None where there is none."""
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
        except BrokenPipeError:  # whoever read us had enough, as `| head` has
            ctx.exit()
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)
        finally:
            _settle_stdout()


def _settle_stdout() -> None:
    """Let go of output that cannot be written.

    What is still in Python's buffer would fail once more when the process ends, with an error of
    Python's own and exit code 120.
    """
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def verbatim(title: str, *lines: str) -> str:
    """Return a part of a command's help whose lines stay as they are."""
    return f"\b\n{title}:\n" + "\n".join(f"  {line}" for line in lines)


def examples(*lines: str) -> str:
    """Return the part of a command's help that shows command lines as they are typed."""
    return verbatim("Examples", *lines)


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "zinfo serve                              watch the servers of this machine",
        "zinfo serve --shard redis://db-1:6379    watch this one",
        "zinfo shards                             which shards there are, and how they do",
        "zinfo get --section memory               INFO from the daemon's cache",
        "zinfo watch --key used_memory            each change as it happens",
        "zinfo COMMAND --help                     more about one command",
    ),
)
@click.version_option(__version__, prog_name="zinfo", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Poll the INFO of many Redis and Valkey servers once, for everyone who wants it.

    `zinfo serve` is the daemon: it polls each server as often as its activity warrants, keeps the
    newest INFO, and publishes what changes. `shards`, `get`, `watch`, `events` and `stats` ask a
    running daemon, never a server.
    """
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":  # https://no-color.org
        ctx.color = False
