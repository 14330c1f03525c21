"""`zinfo top`: all shards live, in a terminal."""

from __future__ import annotations

import importlib.util
import os
import sys
from typing import TextIO

import click

from zinfo.cli.app import FAILED, examples, verbatim
from zinfo.cli.asking import Daemon, reaches_daemon
from zinfo.errors import EnvironmentNotReadyError

_INSTEAD = "`zinfo shards` and `zinfo watch` print lines"


@click.command(
    epilog=verbatim(
        "Keys",
        "arrows, PgUp, PgDn    move",
        "Enter, Esc            open a shard's page, go back",
        "< >, r                sort by another column, the other way round",
        "/                     filter, such as: db- site=fra ops>100 !down",
        "e, ?, q               events, help, quit",
    )
    + "\n\n"
    + examples(
        "zinfo top",
        "zinfo top --connect tcp://zinfo-1:9736",
        "NO_COLOR=1 zinfo top",
    )
)
@reaches_daemon
def top(daemon: Daemon) -> None:
    """Show all shards live: a table to sort and filter, a page for each shard, and events.

    A shard's page has every field of its INFO, what changed just now, how fast counters grow, and
    the last five minutes. What can no longer be vouched for is called stale, with the reason. It
    needs a terminal, and textual: pip install 'zinfo[tui]'.

    q or Ctrl-C ends it: exit code 0.
    """
    if importlib.util.find_spec("textual") is None:
        raise EnvironmentNotReadyError("`zinfo top` needs textual: pip install 'zinfo[tui]'")
    _need_terminal()
    with daemon.client() as client:
        client.hello()  # where nothing answers, this says so

    from zinfo.top.feed import Feed
    from zinfo.top.notes import noting
    from zinfo.top.terminal import abilities
    from zinfo.top.terminal.app import TopApp

    with Feed(daemon.endpoint, keys=daemon.keys) as feed, noting(feed):
        app = TopApp(feed, abilities.glyphs(), colours=abilities.has_colours())
        app.run()
    if app.return_code:
        click.get_current_context().exit(FAILED)


def _need_terminal() -> None:
    """Fail where it could not be drawn, or no key be read."""
    streams: dict[str, TextIO | None] = {
        "stdout": sys.__stdout__,
        "stdin": sys.__stdin__,
        "stderr": sys.__stderr__,
    }
    for name, stream in streams.items():
        if stream is None or not stream.isatty():
            raise EnvironmentNotReadyError(
                f"`zinfo top` draws on a terminal, and {name} is none: {_INSTEAD}"
            )
    if os.environ.get("TERM") == "dumb":
        raise EnvironmentNotReadyError(
            f"`zinfo top` cannot draw on this terminal (TERM=dumb): {_INSTEAD}"
        )
