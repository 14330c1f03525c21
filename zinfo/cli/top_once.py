"""`zinfo top --once`: prints the table of shards once, for scripts and tickets."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from zinfo.cli.app import FAILED
from zinfo.cli.client_options import Daemon
from zinfo.cli.output import echo_json, emit, note

if TYPE_CHECKING:
    from collections.abc import Sequence

    from zinfo.top.feed import Feed
    from zinfo.top.once import Query
    from zinfo.views.rows import FeedState, Row
    from zinfo.wire.lifecycle import Event

RATE_SECONDS = 6.0
"""Seconds to wait for a second INFO of each shard, where a column needs rates."""

_NAMES_SECONDS = 2.0  # to wait for the names of all fields, by which a misspelt one is found
_READY_SECONDS = 10.0  # to wait for all shards
_EVENTS = 500  # of the daemon, in which its problems are found
_CHECK_SECONDS = 0.05  # between two looks at what was read

_Command = TypeVar("_Command", bound=Callable[..., Any])


class Once(NamedTuple):
    """The options.

    Attributes:
        columns: names of quantities, or of a set of columns, separated by commas; "" for the
            default.
        order: the quantity to sort by, ascending; with `-` before it, descending.
        wanted: the filter.
        group: the grouping; "" for none.
        limit: maximum number of shards.
        form: "text", "csv" or "json".
        problems: whether to print problems instead.
    """

    columns: str
    order: str
    wanted: str
    group: str
    limit: int | None
    form: str
    problems: bool = False


def once_options(command: _Command) -> _Command:
    """Add the options; the command gets them as `once`, which is None without --once."""

    @click.option("--once", is_flag=True, help="Print the shards once, and end. Needs no terminal.")
    @click.option(
        "--columns",
        metavar="NAME,...",
        default="",
        help="With --once: the columns, or the name of a set of columns. Each is a column of the "
        "table, a field of INFO (used_memory_rss, db0.keys), its growth per second "
        "(expired_keys/s) or label:NAME.",
    )
    @click.option(
        "--sort",
        "order",
        metavar="[-]NAME",
        default="",
        help="With --once: sort by this; -NAME for the greatest value first.  [default: id]",
    )
    @click.option(
        "--filter",
        "wanted",
        metavar="TEXT",
        default="",
        help="With --once: only shards that match this filter.",
    )
    @click.option(
        "--group",
        metavar="BY",
        default="",
        help="With --once: in groups with totals, by label:NAME, cluster, primary, version, state "
        "or host.",
    )
    @click.option(
        "--limit", type=click.IntRange(min=1), help="With --once: at most so many shards."
    )
    @click.option(
        "--csv",
        "as_csv",
        is_flag=True,
        help="With --once: comma-separated exact values (RFC 4180).",
    )
    @click.option(
        "--problems",
        is_flag=True,
        help="With --once: print what is wrong instead, the worst first. The exit code is 1 if "
        "there is a critical problem or a warning.",
    )
    @click.option("--json", "as_json", is_flag=True, help="With --once: a JSON array of objects.")
    @wraps(command)
    def wrapped(
        *arguments: Any,
        once: bool,
        columns: str,
        order: str,
        wanted: str,
        group: str,
        limit: int | None,
        as_csv: bool,
        as_json: bool,
        problems: bool,
        **options: Any,
    ) -> Any:
        if as_csv and as_json:
            raise click.UsageError("--csv and --json cannot be combined")
        given: Mapping[str, object] = {
            "--columns": columns, "--sort": order, "--filter": wanted, "--group": group,
            "--limit": limit, "--csv": as_csv, "--json": as_json, "--problems": problems,
        }  # fmt: skip
        alone = next((name for name, value in given.items() if value and not once), None)
        if alone:
            raise click.UsageError(f"{alone} needs --once")
        other = next((name for name in list(given)[:4] if given[name]), None)
        if problems and other and other != "--filter":
            raise click.UsageError(f"{other} and --problems cannot be combined")
        form = "csv" if as_csv else "json" if as_json else "text"
        found = Once(columns, order, wanted, group, limit, form, problems) if once else None
        return command(*arguments, once=found, **options)

    return wrapped  # type: ignore[return-value]  # the same with other options


def print_once(daemon: Daemon, labels: Mapping[str, str], once: Once) -> None:
    """Print the shards, and end the command with exit code 1 where shards may be missing.

    Args:
        daemon: the daemon, or several.
        labels: those that a shard must have.
        once: what to print.

    Raises:
        click.UsageError: a column, the filter or another text is invalid.
        NoAnswerError: no daemon has current shards.
    """
    from zinfo.top.feed import Feed
    from zinfo.views.problems import FIELDS

    asked = _query(once)
    with Feed(daemon.endpoints, labels=labels, keys=daemon.keys) as feed:
        feed.want("once", asked.fields | FIELDS if once.problems else asked.fields)
        feed.wait_ready(_READY_SECONDS)
        rows, state, events = _read(feed, asked, once)
    healthy = True
    if once.problems:
        healthy = _print_problems(once, asked, rows, events)
    else:
        _print_table(once, asked, rows)
    missing = [*state.missing, *([] if state.fresh else [state.problem or "outdated"])]
    for one in missing:
        note(f"missing: {one}")
    if missing or not healthy:
        click.get_current_context().exit(FAILED)


def _print_table(once: Once, asked: Query, rows: Sequence[Row]) -> None:
    from zinfo.top.once import listing
    from zinfo.top.once_output import csv_lines, json_value, text_lines

    found = listing(asked, rows)
    if once.form == "json":
        echo_json(json_value(asked, found))
    elif once.form == "csv":
        for line in csv_lines(asked, found):
            emit(line)
    else:
        for line in text_lines(asked, found, _width()):
            emit(line)
    if found.total and found.shown < found.total and (once.form == "text" or not found.shown):
        note(f"{found.shown} of {found.total} shards shown")


def _print_problems(once: Once, asked: Query, rows: Sequence[Row], events: Sequence[Event]) -> bool:
    """Print what is wrong; returns whether none of it is critical or a warning."""
    from zinfo.top.once_output import problem_csv, problem_lines
    from zinfo.views.problems import daemon_facts, find_problems

    facts = () if asked.wanted else daemon_facts(events, time.time())
    problems = find_problems(asked.wanted(rows), facts)
    shown = problems[: once.limit]
    if once.form == "json":
        echo_json([one._asdict() for one in shown])
    elif once.form == "csv":
        for line in problem_csv(shown):
            emit(line)
    else:
        for line in problem_lines(shown, _width()):
            emit(line)
    if len(shown) < len(problems):
        note(f"{len(shown)} of {len(problems)} problems shown")
    return not any(one.severity in ("critical", "warning") for one in problems)


def _width() -> int | None:
    """Return the width of the terminal; None where stdout is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _query(once: Once) -> Query:
    from zinfo.top.once import DEFAULT_COLUMNS, query
    from zinfo.top.saved_columns import load_saved
    from zinfo.views.column_sets import ColumnSetError, parse_columns
    from zinfo.views.filtering import FilterError
    from zinfo.views.grouping import GroupingError
    from zinfo.views.quantities import UnknownQuantityError

    try:
        return query(
            parse_columns(once.columns, load_saved()) if once.columns else DEFAULT_COLUMNS,
            wanted=once.wanted,
            sort=once.order,
            group=once.group,
            limit=once.limit,
        )
    except (ColumnSetError, FilterError, GroupingError, UnknownQuantityError) as error:
        raise click.UsageError(str(error)) from error


def _read(feed: Feed, asked: Query, once: Once) -> tuple[Sequence[Row], FeedState, Sequence[Event]]:
    """Return all shards, once what needs two polls is known, or after some seconds."""
    from zinfo.top.once import lacks_rates, misspelt

    began = feed.now()
    while True:
        with feed.locked() as model:
            now = feed.now()
            rows, state, known = model.rows(now), model.feed(now), model.known()
            events = model.events(_EVENTS, shard="")
        waited = now - began
        if known.fields or waited >= _NAMES_SECONDS or not any(row.info for row in rows):
            problem = misspelt(asked, known)
            if problem:
                raise click.UsageError(problem)
            lacking = lacks_rates(asked, rows, all_rates=once.problems)
            if not lacking or waited >= RATE_SECONDS:
                break
        time.sleep(_CHECK_SECONDS)
    if lacking:
        note(f"{lacking} shards have been polled only once: their rates are unknown")
    return rows, state, events
