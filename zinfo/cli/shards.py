"""`zinfo shards`: lists the shards and their states."""

from __future__ import annotations

import time
from collections.abc import Mapping

import click

from zinfo.cli.app import examples, verbatim
from zinfo.cli.client_options import Daemon, client_options
from zinfo.cli.completion import complete_shards
from zinfo.cli.labels import label_option
from zinfo.cli.missing import fail_if_missing, missing_of
from zinfo.cli.output import (
    echo_json,
    echo_table,
    emit,
    note,
    seconds,
    state_text,
    text_or_nothing,
)
from zinfo.cli.states import state_option
from zinfo.cli.text import printable
from zinfo.cli.unmatched import fail_if_unmatched, unmatched_labels, unmatched_shards
from zinfo.errors import UnknownShardError
from zinfo.views.formatting import role_text

_COLUMNS = ("SHARD", "STATE", "FOR", "ROLE", "VERSION", "INTERVAL", "AGE", "REVISION", "LABELS")


@click.command(
    epilog=verbatim(
        "Columns",
        "STATE     new, up, loading, busy or down, with the reason",
        "FOR       time since this state began, by the clocks of the daemon and this machine",
        "ROLE      primary or replica; --json has INFO's master or slave",
        "INTERVAL  current polling interval: short for a busy shard",
        "AGE       time since its newest INFO",
        "REVISION  increases by 1 with each successful poll",
    )
    + "\n\n"
    + examples(
        "zinfo shards",
        "zinfo shards 127.0.0.1:6379",
        "zinfo shards --state down --json | jq -r .id",
        "zinfo shards --label site=fra",
        "zinfo shards --connect tcp://zinfo-1:9736",
        "zinfo shards --connect dns+tcp://zinfo.prod:9736    of all daemons with this name",
    )
)
@click.argument("shard_ids", metavar="[SHARD]...", nargs=-1, shell_complete=complete_shards)
@label_option()
@state_option()
@client_options
def shards(
    daemon: Daemon,
    shard_ids: tuple[str, ...],
    labels: Mapping[str, str],
    states: tuple[str, ...],
) -> None:
    """List each SHARD, or all: the servers that the daemon polls.

    The error of a shard's last poll is printed below the table, until a poll succeeds.

    With --json: an object per shard; interval and age are in seconds, since is the Unix
    time at which the state began.
    """
    with daemon.client() as client:
        try:
            found = client.shards(shard_ids, labels, state=states)
        except UnknownShardError:
            fail_if_unmatched(unmatched_shards(client, shard_ids).values())
            raise
        if not found and not missing_of(found):
            fail_if_unmatched(unmatched_labels(client, labels, shard_ids))
    if daemon.json:
        for shard in found:
            echo_json(shard)
    elif found:
        _echo_table(found, time.time())
    elif states and not missing_of(found):
        note("no shard matches; `zinfo shards` lists them all")
    elif not missing_of(found):
        note("the daemon polls no shards")
    fail_if_missing(missing_of(found))


def _echo_table(found: list[dict[str, object]], now: float) -> None:
    rows = [_row(shard, now) for shard in found]
    last = len(_COLUMNS)
    if not any(row[-1] for row in rows):
        last -= 1  # no shard has labels
    echo_table(_COLUMNS[:last], [row[:last] for row in rows])
    failing = [shard for shard in found if shard.get("error")]
    if failing:
        emit()
    for shard in failing:
        emit(printable(f"{shard.get('id')}: {shard.get('error')}"))


def _row(shard: Mapping[str, object], now: float) -> list[str]:
    labels, since = shard.get("labels"), shard.get("since")
    pairs = labels.items() if isinstance(labels, Mapping) else ()
    return [
        text_or_nothing(shard.get("id")),
        state_text(str(shard.get("state")), str(shard.get("reason") or "")),
        seconds(max(0.0, now - since) if isinstance(since, int | float) else None),
        role_text(shard.get("role")),
        text_or_nothing(shard.get("version")),
        seconds(shard.get("interval")),
        seconds(shard.get("age")),
        text_or_nothing(shard.get("revision")),
        printable(" ".join(f"{name}={value}" for name, value in pairs)),
    ]
