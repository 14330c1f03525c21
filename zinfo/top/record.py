"""The state of one shard in the model, updated by each new INFO. Pure.

Of most shards the model has only the fields of the table (`Reading`). Of a shard whose page is open
it has the whole INFO (`Delta`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple

from zinfo.client.updates import Delta, Info, Value
from zinfo.info.server_version import version_of
from zinfo.top.history import STEP, History
from zinfo.views.counters import counter_value, elapsed, rates, ratio, were_reset
from zinfo.views.rows import ANSWERING, Field, Means, Row, Section, Series
from zinfo.wire.lifecycle import NEW

OTHER = "Other"
"""The section of fields whose section is unknown."""

_KEYLESS = frozenset(("sentinel_masters", "garnet_version"))
"""Fields of servers whose INFO has no databases. Others omit only those that are empty."""
_HOLD_INTERVALS = 2  # polling intervals for which a value is repeated while no newer one comes
_HOLD_SECONDS = 2.0  # and at least for so long


class Status(NamedTuple):
    """What the daemon reports about a shard besides INFO.

    Attributes:
        state: new, up, loading, busy or down.
        reason: why it is down; else "".
        labels: by name.
        age: seconds since its newest INFO; infinite before the first.
        role: as in INFO; None where unknown. INFO itself precedes it where the model has all of it.
        version: of the server; None where unknown.
    """

    state: str
    reason: str
    labels: Mapping[str, str]
    age: float
    role: str | None = None
    version: str | None = None


class Reading(NamedTuple):
    """The fields of the table in a new INFO of one shard.

    Attributes:
        shard: its id.
        revision: number of the INFO.
        time: when it arrived, by the daemon's wall clock; seconds since the Unix epoch.
        at: when it arrived, by the model's clock.
        fields: field to value.
    """

    shard: str
    revision: int
    time: float
    at: float
    fields: Info


class PolledValues(NamedTuple):
    """The values of a `Row` that only a poll changes; the same names, in the same order."""

    role: str | None
    version: str | None
    ops: float | None
    memory: int | None
    maxmemory: int | None
    clients: int | None
    keys: int | None
    hit_ratio: float | None
    hit_ratio_overall: float | None
    interval: float | None


class Record:
    """One shard.

    Attributes:
        info: field to value.
        status: the daemon's last report; its age is as of then.
        reads: hits and misses between the last two polls; None where unknown.
    """

    __slots__ = (
        "_changed_at",
        "_clients",
        "_hit_ratio",
        "_interrupted",
        "_interval",
        "_memory",
        "_missed",
        "_ops",
        "_polled_at",
        "_polled_values",
        "_rates",
        "_received_at",
        "_revision",
        "_sections",
        "_time",
        "_whole",
        "info",
        "reads",
        "status",
    )

    def __init__(self) -> None:
        self.info: Info = {}
        self.status = Status(NEW, "", {}, math.inf)
        self.reads: tuple[float, float] | None = None
        self._revision = 0
        self._time = 0.0  # of the newest INFO, by the daemon's clock
        self._whole = False  # whether `info` is a whole INFO, not only the fields of the table
        self._received_at = -math.inf  # when it arrived, by our clock
        self._polled_at = -math.inf
        self._interval: float | None = None
        self._polled_values: PolledValues | None = None  # of the newest INFO; computed on demand
        self._interrupted = True  # it may not have answered since the newest INFO
        self._missed = False  # polls after the newest INFO were not followed
        self._changed_at: dict[str, float] = {}
        self._rates: dict[str, float | None] | None = None
        self._sections: dict[str, tuple[str, ...]] = {}
        self._ops, self._memory, self._hit_ratio, self._clients = (History() for _ in range(4))

    # --- from the feed

    def set_status(self, status: Status, now: float) -> None:
        """Set what the daemon reports about the shard besides INFO."""
        if status[4:] != self.status[4:]:
            self._polled_values = None
        self.status = status
        self._polled_at = now - status.age
        if status.state not in ANSWERING:
            self._interrupted = True

    def set_state(self, state: str, reason: str) -> None:
        """Set the state. After one in which it does not answer, its next INFO follows none."""
        self.status = self.status._replace(state=state, reason=reason)
        if state not in ANSWERING:
            self._interrupted = True

    def apply(self, delta: Delta, now: float) -> None:
        """Apply the changes that a poll found.

        Args:
            delta: against the present INFO, or whole.
            now: the time of its arrival.
        """
        old, known = self.info, self._whole
        changed = delta.set if delta.base else _changes(old, delta.set)
        info = delta.applied_to(old)
        if delta.revision == self._revision:
            if not known:  # the model had the fields of the table
                self.info, self._whole = info, True
            return
        self._store(info, changed, delta.revision, delta.time, now)
        self._whole = True
        if known:
            self._changed_at.update(dict.fromkeys(changed, now))
            for name in self._changed_at.keys() - info.keys():
                del self._changed_at[name]

    def update(self, reading: Reading) -> None:
        """Apply a new INFO of which only the fields of the table were read."""
        revision = reading.revision
        if revision == self._revision:
            return
        changed = _changes(self.info, reading.fields)
        self._store(reading.fields, changed, revision, reading.time, reading.at)
        self._whole, self._changed_at = False, {}

    def miss_polls(self) -> None:
        """Note that the next polls are missed: the INFO after them has no rates, but a gap."""
        self._interrupted = self._missed = True

    def restart_revisions(self) -> None:
        """Note that the daemon was restarted, and counts revisions from 1 again."""
        self._revision = 0

    def change_copy(self) -> None:
        """Note that the next INFO is of another daemon: it has no rates against the newest."""
        self._revision, self._missed = 0, True

    def set_sections(self, sections: Mapping[str, Collection[str]]) -> None:
        """Set which fields are in which section, by name, in the server's order."""
        self._sections = {name: tuple(fields) for name, fields in sections.items()}

    # --- for views

    def row(self, shard: str, now: float, *, fresh: bool) -> Row:
        """Return the shard as it is now.

        Args:
            shard: its id.
            now: the time.
            fresh: whether the model is current.
        """
        status = self.status
        return Row(
            shard,
            status.labels,
            status.state,
            status.reason,
            fresh,
            *(self._polled_values or self.values()),
            max(0.0, now - self._polled_at),
            self._revision,
            info=self.info,
            rates=self._rates or {},
        )

    def values(self) -> PolledValues:
        """Return the values that only a poll changes."""
        if self._polled_values is None:
            self._polled_values = self._read_values()
        return self._polled_values

    def series(self, now: float, *, fresh: bool) -> Series:
        """Return the last minutes.

        Args:
            now: the time.
            fresh: whether the model is current.
        """
        hold = self._hold(fresh=fresh)
        return Series(
            STEP,
            int(now // STEP),
            self._ops.values(now, hold),
            self._memory.values(now, hold),
            self._hit_ratio.values(now, hold),
            self._clients.values(now, hold),
        )

    def means(self, now: float, *, fresh: bool) -> Means:
        """Return the means of the last minutes, as `History.means` does.

        Args:
            now: the time.
            fresh: whether the model is current.
        """
        hold = self._hold(fresh=fresh)
        return Means(
            self._ops.means(now, hold),
            self._memory.means(now, hold),
            self._hit_ratio.means(now, hold),
        )

    def sections(self, now: float) -> list[Section]:
        """Return all fields, by section; none where only those of the table are known."""
        if not self._whole:
            return []
        left = dict.fromkeys(self.info)
        found = []
        for name, fields in self._sections.items():
            here = [field for field in fields if field in left]
            for field in here:
                del left[field]
            found.append((name, here))
        homes = {_family(field): here for _, here in found for field in here if _family(field)}
        for field in list(left):  # new since the sections were requested
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

    def lacks_sections(self) -> bool:
        """Return whether there are fields whose section is unknown."""
        if not self._whole:
            return False
        known = {field for fields in self._sections.values() for field in fields}
        families = {_family(field) for field in known} - {""}
        return any(field not in known and _family(field) not in families for field in self.info)

    # --- internals

    def _hold(self, *, fresh: bool) -> float:
        """Return for how many seconds the newest value is repeated while no other comes."""
        if fresh and self.status.state in ANSWERING:
            return max(_HOLD_SECONDS, _HOLD_INTERVALS * (self._interval or 0.0))
        return 0.0

    def _read_values(self) -> PolledValues:
        info = self.info
        return PolledValues(
            _text(info.get("role")) or self.status.role,
            self.status.version or self._version(),
            self._ops_now(),
            _integer(info.get("used_memory")),
            _integer(info.get("maxmemory")),
            _integer(info.get("connected_clients")),
            self._keys() if info else None,
            ratio(*self.reads) if self.reads else None,
            ratio(
                counter_value("keyspace_hits", info.get("keyspace_hits")),
                counter_value("keyspace_misses", info.get("keyspace_misses")),
            ),
            self._interval,
        )

    def _store(
        self,
        info: Info,
        changed: Mapping[str, Value],
        revision: int,
        time: float,
        now: float,
    ) -> None:
        """Store a new INFO: its values, rates, and a point of each history."""
        old = self.info
        since = None
        if old and not self._missed:
            since = elapsed(time - self._time, now - self._received_at)
        if since is not None and not self._interrupted:
            counted = 0 < self._revision < revision  # by the same run of the daemon
            self._interval = since / (revision - self._revision if counted else 1)
        self._update_rates(old, changed, since)
        followed = None if self._interrupted or since is None else self._received_at
        self.info, self._revision, self._time, self._polled_values = info, revision, time, None
        self._received_at = self._polled_at = now
        self._interrupted = self.status.state not in ANSWERING and self.status.state != NEW
        self._missed = False
        self._record_history(now, followed)

    def _update_rates(self, old: Info, changed: Mapping[str, Value], seconds: float | None) -> None:
        """Compute the rates of the counters that changed."""
        self._rates, self.reads = None, None
        if seconds is None or were_reset(old, changed):
            return
        self._rates = rates(old, changed, seconds)
        if "keyspace_hits" in old and "keyspace_misses" in old:
            hits = self._rates.get("keyspace_hits", 0.0)
            misses = self._rates.get("keyspace_misses", 0.0)
            if hits is not None and misses is not None:
                self.reads = hits * seconds, misses * seconds

    def _record_history(self, now: float, since: float | None) -> None:
        """Add the present values to the histories."""
        hits = ratio(*self.reads) if self.reads else None
        for history, value in (
            (self._ops, self._ops_now()),
            (self._memory, _integer(self.info.get("used_memory"))),
            (self._hit_ratio, hits),
            (self._clients, _integer(self.info.get("connected_clients"))),
        ):
            history.add(math.nan if value is None else value, now, since)

    def _ops_now(self) -> float | None:
        reported = self.info.get("instantaneous_ops_per_sec")
        if isinstance(reported, (int, float)):
            return reported
        return self._rate("total_commands_processed")

    def _rate(self, name: str) -> float | None:
        if self._rates is None or counter_value(name, self.info.get(name)) is None:
            return None
        return self._rates.get(name, 0.0)

    def _field(self, name: str, now: float) -> Field:
        changed_at = self._changed_at.get(name)
        changed = None if changed_at is None else max(0.0, now - changed_at)
        return Field(name, self.info[name], self._rate(name), changed)

    def _keys(self) -> int | None:
        """Return the number of keys; None where INFO does not have it."""
        databases = [
            value for name, value in self.info.items() if name[:2] == "db" and _is_database(name)
        ]
        found = [value.get("keys") for value in databases if isinstance(value, dict)]
        counts = [keys for keys in found if isinstance(keys, int)]
        if not counts and (databases or not self.info.keys().isdisjoint(_KEYLESS)):
            return None
        return sum(counts)

    def _version(self) -> str | None:
        found = version_of(self.info)
        return found and found.text


def _changes(old: Info, new: Info) -> Info:
    """Return the fields that are new or have another value."""
    return {name: value for name, value in new.items() if name not in old or old[name] != value}


def _is_database(name: str) -> bool:
    return name[:2] == "db" and name[2:].isdigit()


def _family(name: str) -> str:
    """Return the prefix shared by fields that are always in the same section; or ""."""
    if _is_database(name):
        return "db"
    for prefix in ("cmdstat_", "errorstat_", "latency_percentiles_usec_"):
        if name.startswith(prefix):
            return prefix
    return ""


def _integer(value: Value | None) -> int | None:
    return value if isinstance(value, int) else None


def _text(value: Value | None) -> str | None:
    """Return a text; of a field that is repeated, the first."""
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, str) else None
