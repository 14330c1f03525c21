"""Finds what is wrong, the worst first. Pure.

`zinfo.views.problem_checks` has the conditions. A shard that has never been polled, or whose data
is stale, has no problems, because nothing is known of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from zinfo.views.expressions import number
from zinfo.views.filtering import Filter
from zinfo.views.formatting import DAEMON, role_text, short_text
from zinfo.views.ordering import natural
from zinfo.views.problem_checks import (
    CHECKS,
    DAEMON_CHECKS,
    DETAIL_PLACES,
    SEVERITIES,
    Check,
)
from zinfo.views.quantities import quantity, value_of
from zinfo.views.rows import Row
from zinfo.wire.lifecycle import NEW, Event

FIELDS = frozenset().union(*(check.fields for check in CHECKS))
"""The fields of INFO that problems are found in."""


class Problem(NamedTuple):
    """Something that is wrong.

    Attributes:
        severity: "critical", "warning" or "info".
        shard: id of the shard; `DAEMON` for zinfo itself.
        name: of the check.
        title: what is wrong, in a few words.
        detail: the numbers or the error.
        since: for how long, in seconds; None where unknown.
        action: what to do.
    """

    severity: str
    shard: str
    name: str
    title: str
    detail: str
    since: float | None
    action: str


class DaemonFact(NamedTuple):
    """A problem of zinfo itself.

    Attributes:
        name: of the check: the type of the event that reported it.
        detail: the event's message, and the source that it is about.
        since: seconds since the event.
    """

    name: str
    detail: str
    since: float | None


def find_problems(rows: Sequence[Row], facts: Iterable[DaemonFact] = ()) -> list[Problem]:
    """Return all problems: the worst first, then in the order of `CHECKS`, then by shard.

    Args:
        rows: the shards, with `FIELDS`.
        facts: of the daemon, as `daemon_facts` returns them.
    """
    found = [problem for fact in facts for problem in _of_daemon(fact)]
    known = [row for row in rows if row.fresh and row.state != NEW]
    answering = [row for row in known if row.current]
    for check in CHECKS:
        matching = _filter(check.condition)(answering if check.answers else known)
        found += [_problem(check, row) for row in sorted(matching, key=_by_id)]
    return sorted(found, key=lambda one: SEVERITIES.index(one.severity))


def daemon_facts(events: Iterable[Event], now: float) -> list[DaemonFact]:
    """Return the problems of zinfo itself that its newest events report.

    Args:
        events: the newest events of the daemon, oldest first; those of shards are ignored.
        now: the wall-clock time; seconds since the Unix epoch.
    """
    begun: dict[tuple[str, str], Event] = {}
    for event in events:
        if event.shard:
            continue
        for check in DAEMON_CHECKS:
            if event.type == check.ended_by and (event.type != check.name or event.new == "no"):
                begun.pop((check.name, event.reason), None)
            elif event.type == check.name:
                begun[check.name, event.reason] = event
    return [
        DaemonFact(check.name, _said(event), max(0.0, now - event.time))
        for check in DAEMON_CHECKS
        for (name, _), event in begun.items()
        if name == check.name and (not check.seconds or now - event.time < check.seconds)
    ]


def _said(event: Event) -> str:
    return ": ".join(part for part in (event.reason, event.message) if part)


def _of_daemon(fact: DaemonFact) -> Iterable[Problem]:
    for check in DAEMON_CHECKS:
        if check.name == fact.name:
            yield Problem(
                check.severity, DAEMON, check.name, check.title, fact.detail, fact.since,
                check.action,
            )  # fmt: skip


def _problem(check: Check, row: Row) -> Problem:
    since = number(value_of(quantity(check.since))(row)) if check.since else None
    if since is not None and since < 0:
        since = None
    detail = _detail(check.detail)(row)
    return Problem(
        check.severity, row.shard, check.name, check.title, detail, since, check.action
    )  # fmt: skip


@lru_cache(maxsize=100)
def _filter(condition: str) -> Filter:
    return Filter(condition)


def _by_id(row: Row) -> tuple[object, ...]:
    return natural(row.shard)


@lru_cache(maxsize=100)
def _detail(template: str) -> Callable[[Row], str]:
    """Return the function that puts values into a detail; `-` where a value is unknown."""
    parts = DETAIL_PLACES.split(template)  # texts, and names of quantities between them
    named = [(one, value_of(one)) for one in map(quantity, parts[1::2])]

    def text(row: Row) -> str:
        found = [parts[0]]
        for (one, evaluate), after in zip(named, parts[2::2], strict=True):
            value = evaluate(row)
            shown = role_text(value) if one.name == "role" else short_text(value, one.unit)
            found += [shown, after]
        return "".join(found)

    return text
