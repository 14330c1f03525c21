"""What the model holds of one shard, and how a poll's changes are taken in. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple, TypeAlias

from zinfo.client.updates import Delta, Info, Value
from zinfo.top.counters import begun_anew, count_of, elapsed, rates, ratio
from zinfo.top.history import STEP, History
from zinfo.top.rows import NOW, Field, Row, Section, Series
from zinfo.wire.lifecycle import NEW

OTHER = "Other"
"""The section of fields of which no other is known."""

_VERSIONS = (
    "valkey_version",
    "dragonfly_version",
    "keydb_version",
    "kvrocks_version",
    "pika_version",
    "redis_version",  # what the others only claim to be compatible to
)
_HELD_INTERVALS = 2  # for so many intervals a value holds though no newer one has come
_HELD_AT_LEAST = 2.0  # seconds


class Status(NamedTuple):
    """What the daemon says of a shard beside INFO.

    Attributes:
        state: new, up, loading, busy or down.
        reason: why it is down; else "".
        labels: by name.
        fresh: whether all that is held of it is what the daemon has.
        age: seconds since its newest INFO; infinite before the first.
    """

    state: str
    reason: str
    labels: Mapping[str, str]
    fresh: bool
    age: float


_Measured: TypeAlias = (
    "tuple[str | None, str | None, float | None, int | None, int | None, int | None, int | None, "
    "float | None, float | None, float | None]"
)


class Record:
    """One shard.

    Attributes:
        info: field to value.
        status: what the daemon said of it last; its age is as of then.
        reads: hits and misses between the last two polls; None where that is not known.
    """

    __slots__ = (
        "_changed_at",
        "_clients",
        "_databases",
        "_hit_ratio",
        "_interrupted",
        "_interval",
        "_measured",
        "_memory",
        "_ops",
        "_polled_at",
        "_rates",
        "_received_at",
        "_revision",
        "_sections",
        "_time",
        "info",
        "reads",
        "status",
    )

    def __init__(self) -> None:
        self.info: Info = {}
        self.status = Status("new", "", {}, False, math.inf)
        self.reads: tuple[float, float] | None = None
        self._revision = 0
        self._time = 0.0  # of the newest INFO, by the daemon's clock
        self._received_at = -math.inf  # the same by ours
        self._polled_at = -math.inf
        self._interval: float | None = None
        self._measured: _Measured | None = None  # as of the newest INFO; made when asked for
        self._interrupted = True  # it did not answer for a while, or is not known to have
        self._changed_at: dict[str, float] = {}
        self._rates: dict[str, float | None] | None = None
        self._databases: set[str] = set()
        self._sections: dict[str, tuple[str, ...]] = {}
        self._ops, self._memory, self._hit_ratio, self._clients = (History() for _ in range(4))

    # --- from the feed

    def observe(self, status: Status, now: float) -> None:
        """Take what the daemon says of the shard beside INFO."""
        self.status = status
        self._polled_at = now - status.age
        if status.state not in NOW:
            self._interrupted = True

    def interrupt(self) -> None:
        """It did not answer for a while: its next INFO does not follow the last one."""
        self._interrupted = True

    def apply(self, delta: Delta, now: float) -> None:
        """Take the changes that a poll found.

        Args:
            delta: against the INFO that is held, or whole.
            now: our clock when it came.
        """
        old = self.info
        changed: Mapping[str, Value]
        gone: Collection[str]
        if delta.base:
            changed, gone = delta.set, delta.unset
        else:
            changed = {
                name: value
                for name, value in delta.set.items()
                if name not in old or old[name] != value
            }
            gone = [name for name in old if name not in delta.set]
        since = self._time_passed(delta, now)
        self._count(old, changed, since)
        if old:
            self._changed_at.update(dict.fromkeys(changed, now))
        self._databases.update(name for name in changed if _is_database(name))
        for name in gone:
            self._changed_at.pop(name, None)
            self._databases.discard(name)
        self.info = delta.applied_to(old)
        followed = None if self._interrupted or since is None else self._received_at
        self._revision, self._time, self._measured = delta.revision, delta.time, None
        self._received_at = self._polled_at = now
        self._interrupted = self.status.state not in NOW and self.status.state != NEW
        self._note(now, followed)

    def place(self, sections: Mapping[str, Collection[str]]) -> None:
        """Take which fields are in which section, by name, in the server's order."""
        self._sections = {name: tuple(fields) for name, fields in sections.items()}

    # --- for views

    def row(self, shard: str, now: float, *, heard: bool) -> Row:
        """Return the shard as it is now.

        Args:
            shard: its id.
            now: our clock.
            heard: whether the feed itself works.
        """
        if self._measured is None:
            self._measured = self._measure()
        status = self.status
        return Row(
            shard,
            status.labels,
            status.state,
            status.reason,
            heard and status.fresh,
            *self._measured,
            max(0.0, now - self._polled_at),
            self._revision,
        )

    def series(self, now: float) -> Series:
        """Return the last minutes."""
        hold = 0.0
        if self.status.fresh and self.status.state in NOW:
            hold = max(_HELD_AT_LEAST, _HELD_INTERVALS * (self._interval or 0.0))
        return Series(
            STEP,
            int(now // STEP),
            self._ops.values(now, hold),
            self._memory.values(now, hold),
            self._hit_ratio.values(now, hold),
            self._clients.values(now, hold),
        )

    def sections(self, now: float) -> list[Section]:
        """Return every field, by section."""
        left = dict.fromkeys(self.info)
        found = []
        for name, fields in self._sections.items():
            here = [field for field in fields if field in left]
            for field in here:
                del left[field]
            found.append((name, here))
        homes = {_family(field): here for _, here in found for field in here if _family(field)}
        for field in list(left):  # new since the sections were asked for
            if _family(field) in homes:
                homes[_family(field)].append(field)
                del left[field]
        if left:
            found.append((OTHER, list(left)))
        return [
            Section(name, [self._field(field, now) for field in fields])
            for name, fields in found
            if fields
        ]

    def unplaced(self) -> bool:
        """Return whether there are fields of which no section is known."""
        known = {field for fields in self._sections.values() for field in fields}
        families = {_family(field) for field in known} - {""}
        return any(field not in known and _family(field) not in families for field in self.info)

    # --- inside

    def _measure(self) -> _Measured:
        """Return what only a poll changes, in the order of a Row."""
        info = self.info
        return (
            _text(info.get("role")),
            self._version(),
            self._ops_now(),
            _integer(info.get("used_memory")),
            _integer(info.get("maxmemory")),
            _integer(info.get("connected_clients")),
            self._keys() if info else None,
            ratio(*self.reads) if self.reads else None,
            ratio(
                count_of("keyspace_hits", info.get("keyspace_hits")),
                count_of("keyspace_misses", info.get("keyspace_misses")),
            ),
            self._interval,
        )

    def _time_passed(self, delta: Delta, now: float) -> float | None:
        """Return the seconds since the poll before; None where there is none to compare with."""
        if not self.info:
            return None
        passed = elapsed(delta.time - self._time, now - self._received_at)
        polls = delta.revision - self._revision if delta.base == self._revision else 1
        if passed is not None and not self._interrupted:
            self._interval = passed / max(1, polls)
        return passed

    def _count(self, old: Info, changed: Mapping[str, Value], seconds: float | None) -> None:
        """Take the rates of the counters that changed."""
        self._rates, self.reads = None, None
        if seconds is None or begun_anew(old, changed):
            return
        self._rates = rates(old, changed, seconds)
        if "keyspace_hits" in old and "keyspace_misses" in old:
            hits = self._rates.get("keyspace_hits", 0.0)
            misses = self._rates.get("keyspace_misses", 0.0)
            if hits is not None and misses is not None:
                self.reads = hits * seconds, misses * seconds

    def _note(self, now: float, since: float | None) -> None:
        """Write what is now into the histories."""
        hits = ratio(*self.reads) if self.reads else None
        for history, value in (
            (self._ops, self._ops_now()),
            (self._memory, _integer(self.info.get("used_memory"))),
            (self._hit_ratio, hits),
            (self._clients, _integer(self.info.get("connected_clients"))),
        ):
            history.add(math.nan if value is None else value, now, since)

    def _ops_now(self) -> float | None:
        told = self.info.get("instantaneous_ops_per_sec")
        if isinstance(told, (int, float)):
            return told
        return self._rate("total_commands_processed")

    def _rate(self, name: str) -> float | None:
        if self._rates is None or count_of(name, self.info.get(name)) is None:
            return None
        return self._rates.get(name, 0.0)

    def _field(self, name: str, now: float) -> Field:
        changed_at = self._changed_at.get(name)
        changed = None if changed_at is None else max(0.0, now - changed_at)
        return Field(name, self.info[name], self._rate(name), changed)

    def _keys(self) -> int:
        total = 0
        for name in self._databases:
            value = self.info.get(name)
            keys = value.get("keys") if isinstance(value, dict) else None
            total += keys if isinstance(keys, int) else 0
        return total

    def _version(self) -> str | None:
        found = (self.info.get(name) for name in _VERSIONS)
        return next((str(value) for value in found if value is not None), None)


def _is_database(name: str) -> bool:
    return name[:2] == "db" and name[2:].isdigit()


def _family(name: str) -> str:
    """Return what a field has in common with others that are always in its section; or ""."""
    if _is_database(name):
        return "db"
    for beginning in ("cmdstat_", "errorstat_", "latency_percentiles_usec_"):
        if name.startswith(beginning):
            return beginning
    return ""


def _integer(value: Value | None) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: Value | None) -> str | None:
    return value if isinstance(value, str) else None
