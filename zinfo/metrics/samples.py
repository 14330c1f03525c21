"""The samples of one INFO that have their own labels, or that combine several fields.

Fields whose value is a single number are not handled here (`names.family_of`). Which samples the
others have is the job of one module for each kind of field; this one chooses among them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from zinfo.info.values import Value
from zinfo.metrics import (
    certificates,
    extensions,
    instance,
    keyspace,
    other_values,
    replication,
    sentinel,
    statistics,
    threads,
)
from zinfo.metrics.instance import UP
from zinfo.metrics.names import Family, family_of, has_renamed_source
from zinfo.metrics.sample import Fields, Labels, PartMetric, Sample, Sampler
from zinfo.metrics.statistics import PERCENTILES, parts_of, totals

__all__ = [
    "ALONE",
    "FAMILIES",
    "PERCENTILES",
    "SAMPLE_LABELS",
    "SAMPLE_LABEL_PREFIXES",
    "UP",
    "Labels",
    "Sample",
    "Sampler",
    "combined_samples",
    "has_parts",
    "is_reserved",
    "metric_of_part",
    "other_samples",
    "parts_of",
    "sampler_of",
    "totals",
]

_MODULES: Final = (
    certificates,
    extensions,
    instance,
    keyspace,
    other_values,
    replication,
    sentinel,
    statistics,
    threads,
)
FAMILIES: Final = frozenset(
    one for module in _MODULES for one in vars(module).values() if isinstance(one, Family)
)
"""The metrics that are made here by name."""
_RESERVED: Final = statistics.SUMMARY_NAMES | replication.NAMES | {of.name for of in FAMILIES}
SAMPLE_LABELS: Final = frozenset().union(*(module.LABELS for module in _MODULES))
"""Labels that samples have themselves, in addition to those with `SAMPLE_LABEL_PREFIXES`."""
SAMPLE_LABEL_PREFIXES: Final = (*replication.LABEL_PREFIXES, *extensions.LABEL_PREFIXES)

_BY_NAME: Final = {**instance.BY_NAME, **extensions.BY_NAME}
_BY_PATTERN: Final = (
    *replication.BY_PATTERN,
    *sentinel.BY_PATTERN,
    *threads.BY_PATTERN,
    *extensions.BY_PATTERN,
    *certificates.BY_PATTERN,
    *keyspace.BY_PATTERN,
)

ALONE: Final = frozenset((*extensions.ALONE, *certificates.ALONE))
"""Samplers that look at nothing but the field. No other field has their metrics."""


def combined_samples(fields: Fields, now: float) -> Iterator[Sample]:
    """Yield the samples that combine several fields.

    Args:
        fields: of one INFO.
        now: wall clock of its arrival, seconds since the Unix epoch.
    """
    yield from instance.instance_samples(fields, now)
    yield from replication.replica_samples(fields)


def has_parts(field: str) -> bool:
    """Return whether the value of a field is a map whose parts are metrics (`metric_of_part`)."""
    return statistics.is_statistics(field) or keyspace.is_database(field)


def metric_of_part(field: str, part: str) -> PartMetric | None:
    """Return the metric of one part of a field that `has_parts`; None if there is none."""
    if statistics.is_statistics(field):
        return statistics.statistics_part(field, part)
    return keyspace.database_part(field, part)


def sampler_of(field: str) -> Sampler | None:
    """Return the function that yields the samples of a field; None if there is none.

    Its parameters are all fields, the name of the field, and its value. `other_samples` returns the
    samples of a field that has no such function and is not a number.
    """
    if field in _BY_NAME:
        return _BY_NAME[field]
    for pattern, sampler in _BY_PATTERN:
        if pattern.fullmatch(field):
            return sampler
    return None


def other_samples(fields: Fields, name: str, value: Value) -> Sequence[Sample]:
    """Return the samples of a field that is neither a number nor has a sampler.

    Args:
        fields: all fields of the INFO.
        name: of the field.
        value: of the field.
    """
    found = other_values.other_samples(fields, name, value)
    if found:
        of = found[0].family
        source = name if of == family_of(name) else other_values.base_of(name)
        if is_reserved(of) or has_renamed_source(source, of):
            return ()
    return found


def is_reserved(of: Family) -> bool:
    """Return whether the samples of a metric are made here, so that no field only has its name."""
    return of.name in _RESERVED
