"""`zinfo get`: prints INFO from the daemon's cache."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import click

from zinfo.cli.app import examples
from zinfo.cli.client_options import DEFAULT_TIMEOUT, Daemon, client_options
from zinfo.cli.completion import complete_shards
from zinfo.cli.fields import Fields, Selection, field_options, unmatched_fields
from zinfo.cli.labels import label_option
from zinfo.cli.missing import fail_if_missing, missing_of
from zinfo.cli.output import (
    echo_json,
    emit,
    field_lines,
    note,
    seconds,
    state_text,
    text_or_nothing,
)
from zinfo.cli.states import state_option
from zinfo.cli.text import printable
from zinfo.cli.unanswered import note_unanswered
from zinfo.cli.unmatched import fail_if_unmatched, report, unmatched_labels, unmatched_shards
from zinfo.cli.value_lines import echo_values
from zinfo.errors import NotPolledError, UnknownShardError, ZinfoError
from zinfo.views.formatting import role_text
from zinfo.wire.info_meta import clear_unknown_ages

if TYPE_CHECKING:
    from zinfo.client import Client, Fleet, MissingSlice
    from zinfo.client.updates import Info

_REFRESH_TIMEOUT = 10.0  # seconds; the daemon waits for shards that do not answer


@click.command(
    epilog=examples(
        "zinfo get                                    all shards, all fields",
        "zinfo get 127.0.0.1:6379 --section memory    one section of one shard",
        "zinfo get --key used_memory --key maxmemory",
        "zinfo get --key db --prefix                  all fields whose names start with db",
        "zinfo get --label role=cache --max-age 5     recent INFO of some shards",
        "zinfo get 127.0.0.1:6379 --refresh           poll the shard first",
        "zinfo get 127.0.0.1:6379 --key used_memory --value    975112, for scripts",
        "zinfo get --json | jq '.meta.shard_identifier, .used_memory'",
    )
)
@click.argument("shard_ids", metavar="[SHARD]...", nargs=-1, shell_complete=complete_shards)
@field_options(with_sections=True)
@click.option(
    "--value",
    "as_values",
    is_flag=True,
    help="Print only the values of each --key, separated by tabs, a line per shard. - stands for a "
    "field that the shard does not have. Unless there is exactly one SHARD, the line begins with "
    "the id.",
)
@label_option()
@state_option()
@click.option(
    "--max-age",
    metavar="SECONDS",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Leave out older INFO; 0 for no limit.",
)
@click.option(
    "--refresh",
    is_flag=True,
    help=f"First poll the shards whose INFO is older than --max-age; without --max-age, all. The "
    f"default of --timeout is then {_REFRESH_TIMEOUT:g} s.",
)
@click.option(
    "--partial",
    is_flag=True,
    help="Print an error in place of a SHARD that is unknown or was never polled, and continue.",
)
@client_options
def get(
    daemon: Daemon,
    shard_ids: tuple[str, ...],
    fields: Fields,
    as_values: bool,
    labels: Mapping[str, str],
    states: tuple[str, ...],
    max_age: float,
    refresh: bool,
    partial: bool,
) -> None:
    """Print the newest INFO of each SHARD, or of all that were polled.

    It comes from the daemon's cache; no server is polled, except with --refresh. The line above the
    fields has id, state, role, version and age. `zinfo columns` prints some fields of all shards
    as a table.

    Without SHARD, a line on stderr names shards that are down and shards without INFO.

    With --json: an object per shard with its fields, and "meta" with id and shard_identifier,
    info_age (seconds; null without INFO), state, revision and time.
    """
    if as_values and (not fields.keys or fields.prefix or daemon.json):
        raise click.UsageError("--value needs --key, and excludes --prefix and --json")
    with daemon.client(_REFRESH_TIMEOUT if refresh else DEFAULT_TIMEOUT) as client:
        pages = client.iter_infos(
            shard_ids,
            keys=fields.keys,
            prefix_matching=fields.prefix,
            sections=fields.sections,
            labels=labels,
            state=states,
            max_age=max_age,
            refresh=refresh,
            allow_partial=partial,
        )
        tally = _Tally(fields)
        try:
            if daemon.json:
                for entry in tally.counted(pages):
                    clear_unknown_ages([entry])
                    echo_json(entry)
            elif as_values:
                with_id = len(set(shard_ids)) != 1
                echo_values(tally.counted(pages), fields.keys, with_id=with_id)
            else:
                _echo_text(tally.counted(pages), client)
        except UnknownShardError:
            fail_if_unmatched(unmatched_shards(client, shard_ids).values())
            raise
        except NotPolledError as error:
            raise ZinfoError(f"{error}: no poll succeeded; `zinfo shards` shows why") from error
        fail_if_missing(tally.missing)
        _report_unmatched(client, tally, Selection(fields, shard_ids, labels))
        if not shard_ids:
            note_unanswered(client, labels, states, None if max_age else tally.entries)


def _report_unmatched(client: Client | Fleet, tally: _Tally, selection: Selection) -> None:
    """Print on stderr what matched nothing.

    Raises:
        ZinfoError: the labels, or all of the fields.
    """
    if not tally.entries:
        fail_if_unmatched(unmatched_labels(client, selection.labels, selection.shard_ids))
        note("no shard has INFO that matches; `zinfo shards` lists them all")
    elif tally.infos and tally.is_suspicious:
        unmatched = unmatched_fields(client, selection, tally.missing_keys)
        report(unmatched, fails=not tally.fields)


class _Tally:
    """Counts what a reply contains.

    Args:
        selected: the fields that were requested.

    Attributes:
        selected: the same.
        entries: number of shards.
        infos: number of shards that have INFO, and no error.
        fields: number of fields of all shards.
        missing_keys: those of the selected fields that no shard has had so far.
        missing: slices of a fleet whose shards are missing.
    """

    def __init__(self, selected: Fields) -> None:
        self.selected = selected
        self.missing_keys = set(selected.keys)
        self.entries = 0
        self.infos = 0
        self.fields = 0
        self.missing: list[MissingSlice] = []

    @property
    def is_suspicious(self) -> bool:
        """Whether a part of the selection may match nothing."""
        return bool(self.missing_keys or self.selected.unknown_sections) or not self.fields

    def counted(self, pages: Iterable[list[Info]]) -> Iterator[Info]:
        """Yield the entries of pages, and count them."""
        for page in pages:
            self.missing += missing_of(page)
            for entry in page:
                meta = entry["meta"]
                assert isinstance(meta, dict)
                self.entries += 1
                self.infos += "error" not in meta
                self.fields += len(entry) - 1
                if self.missing_keys:
                    self.missing_keys &= self.selected.without(entry)
                yield entry


def _echo_text(entries: Iterable[Info], client: Client | Fleet) -> None:
    """Print each entry below a heading, with a blank line between them."""
    shards: dict[str, Mapping[str, object]] | None = None
    for entry in entries:
        lines = [] if shards is None else [""]
        if shards is None:
            shards = {shard["id"]: shard for shard in client.shards()}
        meta = entry.pop("meta")
        assert isinstance(meta, dict)
        lines.append(_heading(meta, shards.get(str(meta["shard_identifier"]), {})))
        for name, value in entry.items():
            lines += field_lines(name, value)
        emit("\n".join(lines))


def _heading(meta: Mapping[str, object], shard: Mapping[str, object]) -> str:
    parts = [click.style(printable(str(meta["shard_identifier"])), bold=True)]
    if "state" in meta:
        parts.append(state_text(str(meta["state"]), str(shard.get("reason") or "")))
    if "error" in meta:
        parts.append(click.style(printable(str(meta["error"])), fg="red"))
    else:
        parts += [role_text(shard.get("role")), text_or_nothing(shard.get("version"))]
        parts.append(f"{seconds(meta.get('info_age'))} old")
    return "# " + "  ".join(parts)
