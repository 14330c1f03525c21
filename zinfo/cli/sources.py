"""`zinfo sources`: shows the sources of shards, and accepts the last answer of one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import click

from zinfo.cli.app import examples, verbatim
from zinfo.cli.client_options import Daemon, client_options
from zinfo.cli.completion import complete_sources
from zinfo.cli.missing import Origin, fail_if_missing, missing_of, replies_of
from zinfo.cli.output import echo_json, echo_table, emit, note, seconds, text_or_nothing
from zinfo.cli.text import printable
from zinfo.errors import UnknownOpError, ZinfoError
from zinfo.shards.source_status import FAILED, OK, WAITING

ACCEPT = "accept"

_COLUMNS = ("NAME", "TYPE", "STATE", "SHARDS", "MISSING", "HELD", "SKIPPED", "LAST READ")
_COLOURS = {OK: "green", FAILED: "red", WAITING: "yellow"}


@click.command(
    epilog=verbatim(
        "Columns",
        "STATE      ok, failed (its shards are still polled), or waiting for its first answer",
        "SHARDS     those that it lists, and those that stay although it no longer does",
        "MISSING    those that stay although its last answer does not list them",
        "HELD       those of them that reply, if its answer would remove too many at once",
        "SKIPPED    targets that cannot be shards; the reasons are printed below the table",
        "LAST READ  time since its last successful read",
    )
    + "\n\n"
    + examples(
        "zinfo sources",
        "zinfo sources --json | jq -r 'select(.state == \"failed\") | .name'",
        "zinfo sources accept cmdb      remove the shards that cmdb no longer lists",
    )
)
@click.argument("action", metavar="[accept", required=False, type=click.Choice([ACCEPT]))
@click.argument("name", metavar="NAME]", required=False, shell_complete=complete_sources)
@client_options
def sources(daemon: Daemon, action: str | None, name: str | None) -> None:
    """Show the sources of shards, such as files, an HTTP server or a Redis Cluster.

    The error of each, the reasons for skipped targets and its notes are printed below the table.

    A shard that its source no longer lists is removed when two reads in a row lack it, and it is
    down or 30 seconds have passed. If more than half of those that reply are missing, they are
    held: they stay for 15 minutes, because the source may be wrong. The keys of [guard] in the
    configuration change these numbers.

    "zinfo sources accept NAME" says that the source is right: the shards that its last answer does
    not list are removed at once. With keys or tokens this needs the right accept_source.

    Of several daemons, each has its own state of a source, and accept applies to all of them.

    With --json: an object per source, with times in seconds; for accept, an object with "removed".
    Of several daemons, with the keys "node" and "endpoint", too.
    """
    if action == ACCEPT:
        if name is None:
            raise click.UsageError("accept needs the NAME of a source; `zinfo sources` lists them")
        _accept(daemon, name)
    else:
        _show(daemon)


def _show(daemon: Daemon) -> None:
    with daemon.client() as client:
        try:
            found = client.sources()
        except UnknownOpError as error:
            raise _too_old(error) from error
        replies = replies_of(client, found)
    sources = [(origin, source) for origin, reply in replies for source in reply]
    if daemon.json:
        for origin, source in sources:
            echo_json({**(origin._asdict() if origin else {}), **source})
    elif sources:
        _echo_table(sources, with_node=daemon.is_fleet)
    else:
        note("the daemon has no sources of shards, or none that this client may see")
    fail_if_missing(missing_of(found))


def _echo_table(
    sources: Sequence[tuple[Origin | None, Mapping[str, Any]]], *, with_node: bool
) -> None:
    rows = [_row(source) for _, source in sources]
    nodes = [printable(origin.node) if origin else "" for origin, _ in sources]
    if with_node:
        rows = [[node, *row] for node, row in zip(nodes, rows, strict=True)]
    echo_table(("NODE", *_COLUMNS) if with_node else _COLUMNS, rows)
    lines = [
        f"{node}: {line}" if with_node else line
        for node, (_, source) in zip(nodes, sources, strict=True)
        for line in _remarks(source)
    ]
    if lines:
        emit()
    for line in lines:
        emit(printable(line))


def _accept(daemon: Daemon, name: str) -> None:
    with daemon.client() as client:
        try:
            result = client.accept_source(name)
        except UnknownOpError as error:
            raise _too_old(error) from error
        replies = replies_of(client, result)
    if not any(removed for _, removed in replies) and not missing_of(result):
        raise ZinfoError(f"nothing to accept: {name} lists all of its shards")
    for origin, removed in replies:
        if daemon.json:
            named = origin._asdict() if origin else {}
            echo_json({**named, "source": name, "removed": removed})
        else:
            node = f"{origin.node}: " if origin else ""
            emit(printable(f"{node}{name}: {_shards(removed)} removed"))
    fail_if_missing(missing_of(result))


def _too_old(error: UnknownOpError) -> ZinfoError:
    return ZinfoError(f"this daemon is of a version without sources of shards: update it ({error})")


def _row(source: Mapping[str, Any]) -> list[str]:
    state, skipped = str(source.get("state")), source.get("skipped")
    return [
        text_or_nothing(source.get("name")),
        text_or_nothing(source.get("type")),
        click.style(printable(state), fg=_COLOURS.get(state)),
        *(text_or_nothing(source.get(key)) for key in ("shards", "missing", "held")),
        text_or_nothing(sum(skipped.values()) if isinstance(skipped, Mapping) else None),
        seconds(source.get("age")),
    ]


def _remarks(source: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines about a source below the table."""
    name = source.get("name")
    if error := source.get("error"):
        failures = source.get("failures") or 1
        times = f" ({failures} times in a row)" if failures > 1 else ""
        yield f"{name}: failed{times}: {error}"
    if held := source.get("held"):
        yield (
            f"{name}: {_shards(held)} that reply would go at once, and stay for now; "
            "to remove them:"
        )
        yield f"  zinfo sources {ACCEPT} {name}"
    if skipped := source.get("skipped"):
        yield f"{name}: skipped: {_counted(skipped)}"
    notes: Sequence[str] = source.get("notes") or ()
    for one in notes:
        yield f"{name}: {one}"


def _counted(skipped: Mapping[str, int]) -> str:
    """Return reasons with their counts, the most frequent first."""
    ordered = sorted(skipped.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} ({count})" for reason, count in ordered)


def _shards(count: int) -> str:
    return "1 shard" if count == 1 else f"{count} shards"
