"""`zinfo top`: shows all shards live, in a terminal or in browsers."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TextIO

import click

from zinfo.cli.app import FAILED, examples, verbatim
from zinfo.cli.client_options import Daemon, connection_options
from zinfo.cli.labels import label_option
from zinfo.cli.output import note
from zinfo.cli.top_once import Once, once_options, print_once
from zinfo.cli.unmatched import Unmatched, fail_if_unmatched, note_waiting, unmatched_labels
from zinfo.errors import EnvironmentNotReadyError, NoAnswerError
from zinfo.installation import command_for_extra

_INSTEAD = "`zinfo top --once` and `zinfo watch` print lines"


@click.command(
    epilog=verbatim(
        "Keys",
        "arrows, PgUp, PgDn    move",
        "Enter, Esc            open a shard's page, go back",
        "s, < >, r             sort by any field, by another column; reverse the order",
        "/                     filter, for example: db- site=fra ops>100 !down",
        "p, t, c               problems, groups, columns",
        "e, ?, q               events, help, quit",
    )
    + "\n\n"
    + examples(
        "zinfo top",
        "zinfo top --label site=fra",
        "zinfo top --connect tcp://zinfo-1:9736",
        "zinfo top --connect tcp://zinfo-0:9736 --connect tcp://zinfo-1:9736",
        "NO_COLOR=1 zinfo top",
        "zinfo top --web 127.0.0.1:8000",
        "zinfo top --once --sort -memory --limit 10",
        "zinfo top --once --columns id,state,used_memory_rss,expired_keys/s --csv",
        "zinfo top --once --filter 'role=replica lag>10s' --json",
        "zinfo top --once --group label:site",
    )
)
@once_options
@click.option(
    "--web",
    metavar="HOST:PORT",
    help="Serve a page for browsers here instead; needs no textual. [default: off]",
)
@click.option(
    "--insecure",
    is_flag=True,
    help="Serve on an address that other machines can reach. They can then see the page.",
)
@click.option(
    "--allowed-host",
    "allowed_hosts",
    metavar="NAME",
    multiple=True,
    help="A host name under which the page is served, besides localhost and IP addresses. "
    "Repeatable. [default: none]",
)
@label_option("Only shards while they have this label.")
@connection_options
def top(
    daemon: Daemon,
    web: str | None,
    insecure: bool,
    allowed_hosts: tuple[str, ...],
    labels: Mapping[str, str],
    once: Once | None,
) -> None:
    """Show all shards live: a table to sort and filter, a page for each shard, and events.

    A shard's page has every field of its INFO, recent changes, rates of counters, and plots of the
    last 15 minutes. Data that may be outdated is marked as stale, with the reason. It needs a
    terminal, and the package textual.

    With --web, it serves the same as a page for browsers instead, of which a hundred can be open at
    a time.

    With --once, it prints a table of them and ends, for scripts and tickets. The exit code is 1 if
    no daemon replies, or if shards may be missing.

    q or Ctrl-C ends it, with exit code 0.
    """
    if once is not None:
        if web is not None:
            raise click.UsageError("--once and --web cannot be combined")
        _need_daemon(daemon, labels, fail_if_unmatched)
        print_once(daemon, labels, once)
        return
    if web is not None:
        _serve(daemon, web, labels, insecure=insecure, allowed_hosts=allowed_hosts)
        return
    if insecure or allowed_hosts:
        option = "--insecure" if insecure else "--allowed-host"
        raise click.UsageError(f"{option} needs --web")
    if importlib.util.find_spec("textual") is None:
        raise EnvironmentNotReadyError(f"`zinfo top` needs textual: {command_for_extra('tui')}")
    _need_terminal()
    _need_daemon(daemon, labels)

    from zinfo.top.feed import Feed
    from zinfo.top.log_bridge import warnings_as_events
    from zinfo.top.terminal import terminal_caps
    from zinfo.top.terminal.app import TopApp

    with (
        Feed(daemon.endpoints, labels=labels, keys=daemon.keys) as feed,
        warnings_as_events(feed),
    ):
        app = TopApp(feed, terminal_caps.glyphs(), colours=terminal_caps.has_colours())
        app.run()
    if app.return_code:
        click.get_current_context().exit(FAILED)


def _serve(
    daemon: Daemon,
    web: str,
    labels: Mapping[str, str],
    *,
    insecure: bool,
    allowed_hosts: Sequence[str],
) -> None:
    """Serve the page until a signal ends it."""
    from zinfo.wire.addresses import listen_endpoint, parse_listen

    try:
        host, port = parse_listen(web)
    except ValueError as error:
        raise click.BadParameter(f"{error}; expected HOST:PORT", param_hint="--web") from None
    if not insecure and not listen_endpoint(web).is_local:
        raise click.UsageError(
            f"--web {web}: other machines can reach that address, and would see all shards; "
            "use 127.0.0.1, or --insecure to allow that"
        )
    _need_daemon(daemon, labels)

    from zinfo.top.web.server import WebServer

    server = WebServer(
        daemon.endpoints,
        host,
        port,
        connect=daemon.connect,
        labels=labels,
        keys=daemon.keys,
        allowed_hosts=allowed_hosts,
    )
    shown = " ".join(daemon.endpoints)
    note(f"zinfo top of {shown} is at {server.endpoint}; Ctrl-C ends it")
    server.serve()


def _need_daemon(
    daemon: Daemon,
    labels: Mapping[str, str],
    on_unmatched: Callable[[Collection[Unmatched]], None] = note_waiting,
) -> None:
    """Fail if no daemon answers, before anything is drawn or served.

    Args:
        daemon: one daemon or several.
        labels: those that the shards have.
        on_unmatched: called with the reason if no shard has them, and with nothing if one has.
    """
    from zinfo.client import Fleet

    with daemon.client() as client:
        if not isinstance(client, Fleet):
            client.hello()
            on_unmatched(unmatched_labels(client, labels))
            return
        members = client.find_members()
        if not any(member.problem for member in members):
            on_unmatched(unmatched_labels(client, labels))
    if all(member.problem for member in members):
        raise NoAnswerError("; ".join(f"{one.endpoint}: {one.problem}" for one in members))


def _need_terminal() -> None:
    """Fail if the standard streams are not a terminal that can be drawn on."""
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
