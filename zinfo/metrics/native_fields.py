"""What one field becomes in the native part, by its name; the rules are those of `plan.py`.

The native part writes the plain cases itself; `zinfo/native/exposition.h` lists them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from zinfo.info.kinds import TEXT, kind_of
from zinfo.info.parser import ALWAYS_LISTS
from zinfo.metrics import certificates, instance, keyspace, replication, threads
from zinfo.metrics.names import STATUS_FIELDS, Family, family_of, may_be_of_part
from zinfo.metrics.other_values import NOT_FLAGS
from zinfo.metrics.plan import Rule
from zinfo.metrics.sample import MICRO, MILLI, Sampler
from zinfo.metrics.samples import ALONE

# The numbers of zinfo/native/exposition.h.
_LEFT, _NUMBER, _TEXT, _STATUS, _ROLE, _MAP, _ALONE, _ITEMS, _SERIAL = range(9)
_REPLICA, _OF_PRIMARY, _LINK, _DISTRIBUTION, _THREAD, _OF_THREAD, _EXPIRY, _ODD = range(9, 17)
_NO_ITEM, _HOST, _PORT, _READ_ONLY, _UPTIME, _OTHER, _CERTIFICATE = range(7)
_NO_FLAGS, _FLAGS_LEFT, _FLAGS_SHOWN = range(3)

SHIFTS: Final = {1: 0, MILLI: 3, MICRO: 6}
"""Divisor of a number to the places by which its point moves."""

_PLAIN: Final = re.compile("[a-zA-Z0-9_]+")
_NUMBERED_PRIMARY: Final = re.compile("master_[0-9]+_(host|port)")
_ITEMS_BY_NAME: Final = {
    "master_host": _HOST,
    "master_port": _PORT,
    "slave_read_only": _READ_ONLY,
    instance.UPTIME: _UPTIME,
    **dict.fromkeys(replication.OTHER_SERVERS, _OTHER),
}
_CERTIFICATES: Final = ("server", "client", "ca")


class NativeField(NamedTuple):
    """What a field becomes.

    Attributes:
        op: the operation.
        families: the metrics of its number.
        shift: places by which the point of the number moves.
        flags: what becomes of a text that means yes or no, or of a number that is not finite.
        item: what else it says.
    """

    op: int
    families: tuple[Family | None, Family | None] = (None, None)
    shift: int = 0
    flags: int = _FLAGS_LEFT
    item: int = _NO_ITEM


HIDDEN: Final = NativeField(_TEXT)
"""A field that is not exposed."""


def _field_of_primary(name: str) -> NativeField:
    of = replication.metric_of_primary(name)
    if of is None:
        return NativeField(_ODD)
    return NativeField(_LINK if of is replication.LINK else _OF_PRIMARY, (of, None))


def _certificate_serial(name: str) -> NativeField:
    item = _certificate_item(name)
    return NativeField(_ALONE) if item is None else NativeField(_SERIAL, item=item)


def _certificate_expiry(name: str) -> NativeField:
    item = _certificate_item(name)
    if item is None:
        return NativeField(_LEFT)
    return NativeField(_EXPIRY, (family_of(name), None), item=item)


def _certificate_item(name: str) -> int | None:
    certificate = certificates.certificate_of(name)
    if certificate not in _CERTIFICATES:
        return None
    return _CERTIFICATE + _CERTIFICATES.index(certificate)


_BY_SAMPLER: Final[dict[Sampler, Callable[[str], NativeField]]] = {
    replication.OF_PRIMARY: _field_of_primary,
    replication.REPLICA: lambda _name: NativeField(_REPLICA),
    keyspace.DISTRIBUTION: lambda name: NativeField(
        _DISTRIBUTION, (keyspace.distribution_family(name), None)
    ),
    threads.PARTS_SAMPLER: lambda _name: NativeField(_THREAD),
    threads.ACTIVE_SAMPLER: lambda _name: NativeField(_OF_THREAD, (threads.ACTIVE, None)),
    certificates.SERIAL_SAMPLER: _certificate_serial,
    certificates.EXPIRY_SAMPLER: _certificate_expiry,
}
"""Samplers of fields that are one of several of a kind, and what such a field becomes."""


def native_field(name: str, rule: Rule) -> NativeField:
    """Return what a visible field becomes.

    Args:
        name: of the field.
        rule: of the field.
    """
    if name in instance.CONFIG:
        return NativeField(_NUMBER, (family_of(name), instance.CONFIG[name]))
    if name == instance.FORK_FIELD:
        return NativeField(_NUMBER, (instance.FORK, None), SHIFTS[MICRO])
    if name in STATUS_FIELDS:
        return NativeField(_STATUS, (family_of(name), None))
    if rule.sampler in _BY_SAMPLER:
        return _BY_SAMPLER[rule.sampler](name)
    op = _operation_without_metric(name, rule)
    if op is not None:
        return NativeField(op, item=_ITEMS_BY_NAME.get(name, _NO_ITEM))
    flags = _FLAGS_LEFT if rule.by_name or rule.family is None else _FLAGS_SHOWN
    return NativeField(
        _NUMBER,
        (rule.family, rule.deprecated),
        flags=_NO_FLAGS if name in NOT_FLAGS else flags,
        item=_ITEMS_BY_NAME.get(name, _NO_ITEM),
    )


def _operation_without_metric(name: str, rule: Rule) -> int | None:
    """Return what a field becomes that is no number with a metric; None for others."""
    if rule.has_parts:
        return _MAP
    if rule.sampler is not None and rule.sampler in ALONE:
        return _ITEMS if name in ALWAYS_LISTS else _ALONE
    if _NUMBERED_PRIMARY.fullmatch(name) or keyspace.is_distribution(family_of(name)):
        return _ODD
    if name == "role":
        return _ROLE
    # The HELP text of a name with other characters differs.
    is_left = rule.sampler is not None or name in ALWAYS_LISTS or not _PLAIN.fullmatch(name)
    if not is_left and kind_of(name) == TEXT:
        return _TEXT
    families = (rule.family, rule.deprecated)
    is_left |= any(of is not None and may_be_of_part(of) for of in families)
    return _LEFT if is_left else None
