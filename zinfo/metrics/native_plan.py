"""NativePlan: tells the native part what each field becomes, by the rules of `plan.py`.

The native part asks for each name and each part of a map once.
"""

from __future__ import annotations

import re
from typing import Final

from zinfo.info.kinds import STATS_PREFIXES
from zinfo.info.text import MAX_KEY_LENGTH
from zinfo.info.values import cache_entry
from zinfo.metrics import instance, replication, shard_state, statistics, threads
from zinfo.metrics.names import Family
from zinfo.metrics.native_fields import HIDDEN, SHIFTS, native_field
from zinfo.metrics.page import Numbers
from zinfo.metrics.plan import rule_of
from zinfo.metrics.samples import metric_of_part
from zinfo.metrics.selection import Selection, label_text
from zinfo.native.loader import NativePlan as Plan
from zinfo.native.loader import native
from zinfo.security.rights import Rights

# The numbers of zinfo/native/exposition.h.
_SHOWN, _HIDDEN, _BY_NAME = range(3)
_DATABASES: Final = len(STATS_PREFIXES)
_THREADS: Final = _DATABASES + 1
_PREFIXES: Final = tuple(prefix.encode() for prefix in STATS_PREFIXES)
_KINDS: Final = (*STATS_PREFIXES, "db0")  # by number; the beginning of a name of this kind
_PART: Final = re.compile(rb"[!-+\--<>-~]{1,64}")  # printable, without comma and `=`
_WORD: Final = re.compile(rb"[a-z_]{1,64}")  # the name of a part of a thread
_NONE: Final = -1

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
        self._parts: list[set[bytes]] = [set() for _kind in (*_KINDS, _THREADS)]
        totals = statistics.LATENCY
        self.plan: Plan = native.Plan(
            tuple(_shown(prefix, rights) for prefix in STATS_PREFIXES),
            (numbers.exposed(totals, "_sum"), numbers.exposed(totals, "_count")),
            numbers.exposed(instance.START),
            numbers.exposed(instance.INSTANCE),
            tuple(map(numbers.exposed, shard_state.FAMILIES)),
            tuple(map(numbers.exposed, replication.COMBINED)),
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
        claims, field = (_NONE, _NONE), HIDDEN
        is_visible = not self._rights.hides(text)
        if is_visible:
            rule = rule_of(text)
            first, second = rule.family, rule.deprecated
            claims = (
                _NONE if first is None else self.numbers.number(first),
                _NONE if second is None else self.numbers.number(second),
            )
            field = native_field(text, rule)
        return self._note(
            self.plan.add_field(
                name,
                field.op,
                is_visible,
                (self._exposed(field.families[0]), self._exposed(field.families[1])),
                claims,
                field.shift,
                field.flags,
                self._slots.get(text, _NONE) if is_visible else _NONE,
                field.item,
            )
        )

    def add_parts(self, line: bytes) -> bool:
        """Add the parts of a map, given its line; return whether it may be written natively."""
        name, _colon, value = line.removesuffix(b"\r").rpartition(b":")
        kind = next((at for at, one in enumerate(_PREFIXES) if name.startswith(one)), _DATABASES)
        if name.startswith(threads.PREFIX.encode()):
            kind = _THREADS
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
        pattern = _WORD if kind == _THREADS else _PART
        if not pattern.fullmatch(part):
            return True  # the native part leaves such a map to Python
        family, extra, shift = _NONE, "", 0
        if kind == _THREADS:
            found = threads.metric_of_part(part.decode())
        else:
            found = metric_of_part(_KINDS[kind], part.decode())
        if found is not None:
            family = self.numbers.exposed(found.family, found.suffix)
            shift = SHIFTS[found.divisor]
            if found.labels[1:]:
                extra = f'",{label_text(found.labels[1:])}'.removesuffix('"')
        self._parts[kind].add(part)
        return self._note(self.plan.add_part(kind, part, family, extra.encode(), shift))

    def _exposed(self, of: Family | None) -> int:
        return _NONE if of is None else self.numbers.exposed(of)

    def _note(self, is_added: bool) -> bool:
        self.is_full |= not is_added or len(self.numbers) > MAX_NUMBERS
        return is_added


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
