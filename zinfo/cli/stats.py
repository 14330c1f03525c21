"""`zinfo stats`: prints the daemon's own counters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click

from zinfo.cli.app import examples
from zinfo.cli.client_options import Daemon, client_options
from zinfo.cli.missing import Origin, fail_if_missing, missing_of, replies_of
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

    Of several daemons, each has a heading with its name and endpoint, or with --json an object with
    the keys "node" and "endpoint".
    """
    with daemon.client() as client:
        found = client.stats()
        replies = replies_of(client, found)
    for position, (origin, counters) in enumerate(replies):
        if daemon.json:
            echo_json({**(origin._asdict() if origin else {}), **counters})
            continue
        if origin:
            emit(("\n" if position else "") + _heading(origin))
        lines = list(_flat(counters))
        width = max((len(name) for name, _ in lines), default=0)
        for name, value in lines:
            emit(f"{name:{width}}  {value}")
    fail_if_missing(missing_of(found))


def _heading(origin: Origin) -> str:
    return click.style(printable(f"# {origin.node}  {origin.endpoint}"), bold=True)


def _flat(counters: Mapping[str, object], above: str = "") -> Iterator[tuple[str, str]]:
    for name, value in counters.items():
        path = f"{above}{printable(name)}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{path}.")
        elif isinstance(value, float):
            yield path, f"{value:.6f}".rstrip("0").rstrip(".")
        elif value is not None:
            yield path, printable(str(value))
