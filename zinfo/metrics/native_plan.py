"""NativePlan: tells the native part what each field becomes, by the rules of `plan.py`.

The native part asks for each name and each part of a map once. It writes the plain cases itself;
`zinfo/native/exposition.h` lists them.
"""

from __future__ import annotations

import re
from typing import Final

from zinfo.info.kinds import STATS_PREFIXES, TEXT, kind_of
from zinfo.info.parser import ALWAYS_LISTS
from zinfo.info.text import MAX_KEY_LENGTH
from zinfo.info.values import cache_entry
from zinfo.metrics import instance, shard_state, statistics
from zinfo.metrics.names import STATUS_FIELDS, Family, family_of, may_be_of_part
from zinfo.metrics.other_values import NOT_FLAGS
from zinfo.metrics.page import Numbers
from zinfo.metrics.plan import Rule, rule_of
from zinfo.metrics.sample import MICRO, MILLI
from zinfo.metrics.samples import ALONE, metric_of_part
from zinfo.metrics.selection import Selection, label_text
from zinfo.native.loader import NativePlan as Plan
from zinfo.native.loader import native
from zinfo.security.rights import Rights

# The numbers of zinfo/native/exposition.h.
_LEFT, _NUMBER, _TEXT, _STATUS, _ROLE, _MAP, _ALONE, _ITEMS = range(8)
_SHOWN, _HIDDEN, _BY_NAME = range(3)
_DATABASES: Final = len(STATS_PREFIXES)
_PREFIXES: Final = tuple(prefix.encode() for prefix in STATS_PREFIXES)
_KINDS: Final = (*STATS_PREFIXES, "db0")  # by number; the beginning of a name of this kind
_PART: Final = re.compile(rb"[!-+\--<>-~]{1,64}")  # printable, without comma and `=`
_NONE: Final = -1

_SHIFTS: Final = {1: 0, MILLI: 3, MICRO: 6}
"""Divisor of a number to the places by which its point moves."""

_PLAIN: Final = re.compile("[a-zA-Z0-9_]+")
_LEFT_FIELDS: Final = re.compile("master(_[0-9]+)?_(host|port)")
"""Fields whose presence has samples that are not theirs alone."""

MAX_LINES: Final = 4096  # whose samples one plan caches: 4 MB when full
MAX_NUMBERS: Final = 16384  # metrics of one plan
_MAX_PLANS: Final = 8
_plans: dict[tuple[Selection, tuple[str, ...]], NativePlan] = {}


class NativePlan:
    """What the fields of all servers become for clients with the same rights.

    Args:
        selection: which metrics are exposed.
        rights: of the clients; hidden fields have no samples.

    Attributes:
        numbers: of the metrics.
        plan: of the native part.
        is_full: whether something did not fit into it.
        lines: samples of lines that depend on the line alone.
    """

    def __init__(self, selection: Selection, rights: Rights) -> None:
        assert native is not None
        self.numbers = numbers = Numbers(selection)
        self.is_full = False
        self.lines: dict[bytes, tuple[tuple[int, bytes, str], ...]] = {}
        self._rights = rights
        self._parts: list[set[bytes]] = [set() for _kind in _KINDS]
        totals = statistics.LATENCY
        self.plan: Plan = native.Plan(
            tuple(_shown(prefix, rights) for prefix in STATS_PREFIXES),
            (numbers.exposed(totals, "_sum"), numbers.exposed(totals, "_count")),
            numbers.exposed(instance.START),
            numbers.exposed(instance.INSTANCE),
            tuple(map(numbers.exposed, shard_state.FAMILIES)),
        )
        self._slots: dict[str, int] = {}
        for label, fields, is_optional in instance.FACT_SOURCES:
            slots = [self._slots.setdefault(field, len(self._slots)) for field in fields]
            self.plan.add_fact(label.encode(), slots[0], (*slots, _NONE)[1], is_optional)

    def add_field(self, name: bytes) -> bool:
        """Add a field; return whether the native part may write a reply that has it."""
        text = name.decode()
        if len(name) > MAX_KEY_LENGTH:
            return False
        claims, out, op, shift = (_NONE, _NONE), (_NONE, _NONE), _TEXT, 0
        is_visible = not self._rights.hides(text)
        if is_visible:
            rule = rule_of(text)
            first, second = rule.family, rule.deprecated
            claims = (
                _NONE if first is None else self.numbers.number(first),
                _NONE if second is None else self.numbers.number(second),
            )
            op, out, shift = self._operation(text, rule)
        return self._note(
            self.plan.add_field(
                name,
                op,
                is_visible,
                out,
                claims,
                shift,
                text not in NOT_FLAGS,
                self._slots.get(text, _NONE) if is_visible else _NONE,
                is_visible and text == instance.UPTIME,
            )
        )

    def add_parts(self, line: bytes) -> bool:
        """Add the parts of a map, given its line; return whether it may be written natively."""
        name, _colon, value = line.removesuffix(b"\r").rpartition(b":")
        kind = next((at for at, one in enumerate(_PREFIXES) if name.startswith(one)), _DATABASES)
        # In the order of the server: the native part tries the next one first.
        parts = dict.fromkeys(pair.partition(b"=")[0] for pair in value.split(b",") if b"=" in pair)
        known = self._parts[kind]
        added = [self._add_part(kind, part) for part in parts if part not in known]
        return all(added)

    def cache_line(self, line: bytes, samples: tuple[tuple[int, bytes, str], ...]) -> None:
        """Cache the samples of a line; the cache is bounded."""
        if len(self.lines) >= MAX_LINES:
            self.lines.clear()
        self.lines[line] = samples

    def _add_part(self, kind: int, part: bytes) -> bool:
        if not _PART.fullmatch(part):
            return True  # the native part leaves such a map to Python
        family, extra, shift = _NONE, "", 0
        found = metric_of_part(_KINDS[kind], part.decode())
        if found is not None:
            family = self.numbers.exposed(found.family, found.suffix)
            shift = _SHIFTS[found.divisor]
            if found.labels[1:]:
                extra = f'",{label_text(found.labels[1:])}'.removesuffix('"')
        self._parts[kind].add(part)
        return self._note(self.plan.add_part(kind, part, family, extra.encode(), shift))

    def _note(self, is_added: bool) -> bool:
        self.is_full |= not is_added or len(self.numbers) > MAX_NUMBERS
        return is_added

    def _exposed(self, *families: Family | None) -> tuple[int, int]:
        first, second = (
            _NONE if of is None else self.numbers.exposed(of) for of in (*families, None)[:2]
        )
        return first, second

    def _operation(self, name: str, rule: Rule) -> tuple[int, tuple[int, int], int]:
        """Return what a visible field becomes: operation, metrics of the number, its shift."""
        if name in instance.CONFIG:
            return _NUMBER, self._exposed(family_of(name), instance.CONFIG[name]), 0
        if name == instance.FORK_FIELD:
            return _NUMBER, self._exposed(instance.FORK), _SHIFTS[MICRO]
        if name in STATUS_FIELDS:
            return _STATUS, self._exposed(family_of(name)), 0
        op = _operation_without_metric(name, rule)
        if op is not None:
            return op, (_NONE, _NONE), 0
        return _NUMBER, self._exposed(rule.family, rule.deprecated), 0


def _operation_without_metric(name: str, rule: Rule) -> int | None:
    """Return what a field becomes that is no number with a metric; None for others."""
    if rule.has_parts:
        return _MAP
    if rule.sampler is not None and rule.sampler in ALONE:
        return _ITEMS if name in ALWAYS_LISTS else _ALONE
    is_left = rule.sampler is not None or name in ALWAYS_LISTS or _LEFT_FIELDS.fullmatch(name)
    if is_left or not _PLAIN.fullmatch(name):  # the HELP text of another name differs
        return _LEFT
    if name == "role":
        return _ROLE
    if kind_of(name) == TEXT:
        return _TEXT
    families = (rule.family, rule.deprecated)
    return _LEFT if any(of is not None and may_be_of_part(of) for of in families) else None


def native_plan(selection: Selection, rights: Rights) -> NativePlan | None:
    """Return the shared plan for clients with these rights; None without a native part."""
    if native is None:
        return None
    key = selection, rights.hidden_fields
    found = _plans.get(key)
    if found is None or found.is_full:
        found = NativePlan(selection, rights)
        cache_entry(_plans, key, found, _MAX_PLANS)
    return found


def forget_plans() -> None:
    """Forget all plans; for tests."""
    _plans.clear()


def _shown(prefix: str, rights: Rights) -> int:
    """Return whether the fields with a prefix are exposed."""
    shown = _SHOWN
    for pattern in rights.hidden_fields:
        start, star, rest = pattern.partition("*")
        if star and not rest and prefix.startswith(start):
            return _HIDDEN
        if prefix.startswith(start) or start.startswith(prefix):
            shown = _BY_NAME
    return shown
