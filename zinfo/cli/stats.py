"""`zinfo stats`: prints the daemon's own counters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click

from zinfo.cli.app import examples
from zinfo.cli.client_options import Daemon, client_options
from zinfo.cli.output import echo_json, emit
from zinfo.cli.text import printable


@click.command(
    epilog=examples("zinfo stats", "zinfo stats | grep poll", "zinfo stats --json | jq .poll")
)
@client_options
def stats(daemon: Daemon) -> None:
    """Print the daemon's own counters: polls, bus, queries, shards by state.

    They count from the daemon's start; times are in seconds. A line has a name and a value. With
    --json: one object. docs/how-to/monitor-zinfo.md says what they mean.
    """
    with daemon.client() as client:
        counters = client.stats()
    if daemon.json:
        echo_json(counters)
        return
    lines = list(_flat(counters))
    width = max((len(name) for name, _ in lines), default=0)
    for name, value in lines:
        emit(f"{name:{width}}  {value}")


def _flat(counters: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in counters.items():
        path = f"{above}{printable(name)}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.")
        elif isinstance(value, float):
            yield path, f"{value:.6f}".rstrip("0").rstrip(".")
        elif value is not None:
            yield path, printable(str(value))
