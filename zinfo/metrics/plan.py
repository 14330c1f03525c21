"""Plan: which metric each field of an INFO becomes, for all replies with the same fields. Pure.

A metric without labels has one source in one shard. Where several fields may give it, a field that
the tables of `names.py` give its name (`maxclients`) comes before one that merely has it
(`max_clients`); else the order is that of the reply. The source is the first that has a number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, NamedTuple

from zinfo.info.kinds import STATS_PREFIXES
from zinfo.info.values import cache_entry
from zinfo.metrics.names import (
    Family,
    deprecated_family_of,
    family_of,
    has_renamed_source,
    may_be_of_part,
)
from zinfo.metrics.samples import Sampler, has_parts, is_reserved, sampler_of

MAX_PLANS: Final = 256
"""Cached plans: servers of one version, role and use have one layout."""
MAX_PLANNED_FIELDS: Final = 1024
"""Most fields of a cached plan; most INFO have less than half of that."""
MAX_RULES: Final = 8192
"""Cached names of fields, which a server may invent without end."""
PIECE_FIELDS: Final = 500
"""Fields between two yield points; most INFO have fewer."""


class Contest(NamedTuple):
    """A metric that several fields of a layout may give, or a field and the parts of maps.

    Attributes:
        family: the metric.
        positions: of these fields, in the order of precedence.
    """

    family: Family
    positions: tuple[int, ...]


class Plan(NamedTuple):
    """What the fields of one layout become. Positions are those of the fields, from 0.

    Attributes:
        numbers: positions of the fields that alone give their metric; twice if it has an old name.
        families: the metrics of `numbers`.
        contests: the other metrics that fields give.
        statistics: positions of the fields whose value should be a map with a metric for each part.
        sampled: positions of the fields that have a function which makes the samples.
        samplers: these functions.
    """

    numbers: tuple[int, ...]
    families: tuple[Family, ...]
    contests: tuple[Contest, ...]
    statistics: tuple[int, ...]
    sampled: tuple[int, ...]
    samplers: tuple[Sampler, ...]


class Rule(NamedTuple):
    """What a field becomes, by its name alone.

    Attributes:
        family: its metric if it is a number; None if it has none without labels.
        by_name: whether it only has the name of a metric that the table gives to another field.
        has_parts: whether it is a map with a metric for each part.
        sampler: the function that makes its samples, if there is one.
    """

    family: Family | None
    by_name: bool
    has_parts: bool
    sampler: Sampler | None
    deprecated: Family | None = None


_STATISTICS: Final = Rule(None, by_name=False, has_parts=True, sampler=None)
_rules: dict[str, Rule] = {}
_plans: dict[tuple[str, ...], Plan] = {}


def plan_of(names: tuple[str, ...], yield_point: Callable[[], None] = lambda: None) -> Plan:
    """Return the plan for the fields of an INFO that are no maps.

    Args:
        names: of these fields, in the reply's order, each once.
        yield_point: called between pieces of a large INFO; may yield to the event loop.
    """
    plan = _plans.get(names)
    if plan is None:
        plan = _make_plan(names, yield_point)
        if len(names) <= MAX_PLANNED_FIELDS:
            cache_entry(_plans, names, plan, MAX_PLANS)
    return plan


def _make_plan(names: tuple[str, ...], yield_point: Callable[[], None]) -> Plan:
    rules = _rules_of(names, yield_point)
    claims = [(of, rule.by_name, at) for at, rule in enumerate(rules) if (of := rule.family)]
    claims += [(of, False, at) for at, rule in enumerate(rules) if (of := rule.deprecated)]
    contests: tuple[Contest, ...] = ()
    metrics = {of.name for of, _by_name, _at in claims}
    if len(metrics) < len(claims) or any(may_be_of_part(of) for of, _by_name, _at in claims):
        contests = _contests_of(claims)
    contested = {contest.family.name for contest in contests}
    alone = [
        (at, of)
        for of, _by_name, at in claims
        if rules[at].sampler is None and of.name not in contested
    ]
    samplers = {at: rule.sampler for at, rule in enumerate(rules) if rule.sampler is not None}
    return Plan(
        tuple(at for at, _of in alone),
        tuple(of for _at, of in alone),
        contests,
        tuple(at for at, rule in enumerate(rules) if rule.has_parts),
        tuple(samplers),
        tuple(samplers.values()),
    )


def _contests_of(claims: Sequence[tuple[Family, bool, int]]) -> tuple[Contest, ...]:
    fields: dict[str, list[tuple[bool, int]]] = {}
    families: dict[str, Family] = {}
    for of, by_name, at in claims:
        families.setdefault(of.name, of)
        fields.setdefault(of.name, []).append((by_name, at))
    return tuple(
        Contest(families[metric], tuple(at for _by_name, at in sorted(positions)))
        for metric, positions in fields.items()
        if len(positions) > 1 or may_be_of_part(families[metric])
    )


def _rules_of(names: tuple[str, ...], yield_point: Callable[[], None]) -> list[Rule]:
    rules: list[Rule] = []
    rest = iter(names)
    while piece := tuple(islice(rest, PIECE_FIELDS)):
        rules += map(rule_of, piece)
        if len(piece) == PIECE_FIELDS:
            yield_point()
    return rules


def rule_of(name: str) -> Rule:
    """Return what a field of this name becomes."""
    rule = _rules.get(name)
    if rule is None:
        if name.startswith(STATS_PREFIXES):
            return _STATISTICS  # not cached: scripts choose the names of errors
        rule = _make_rule(name)
        cache_entry(_rules, name, rule, MAX_RULES)
    return rule


def _make_rule(name: str) -> Rule:
    if has_parts(name):
        return _STATISTICS
    sampler, of = sampler_of(name), family_of(name)
    # A server may send a field named `up` or `db_keys`: these metrics have another meaning.
    return Rule(
        None if is_reserved(of) else of,
        by_name=has_renamed_source(name, of),
        has_parts=False,
        sampler=sampler,
        deprecated=deprecated_family_of(name),
    )
