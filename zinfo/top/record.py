"""The state of one shard in the model, updated by each new INFO. Pure.

Of most shards the model has only the fields of the table (`Reading`). Of a shard whose page is open
it has the whole INFO (`Delta`).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from zinfo.client.updates import Delta, Info, Value
from zinfo.info.server_version import version_of
from zinfo.top.field_sections import divided, lacks_some
from zinfo.top.history import History, step_at
from zinfo.top.series_numbers import series_numbers
from zinfo.views.counters import counter_items, elapsed, rates, were_reset
from zinfo.views.rows import ANSWERING, Field, Row, Section, Series
from zinfo.wire.lifecycle import NEW

_HOLD_INTERVALS = 2  # polling intervals for which a value is repeated while no newer one comes
_HOLD_SECONDS = 4.0  # and at least for so long
REPLICA = "slave"
"""The role of a replica, as INFO has it."""

_NO_RATES: Mapping[str, float | None] = MappingProxyType({})


class Status(NamedTuple):
    """What the daemon reports about a shard besides INFO.

    Attributes:
        state: new, up, loading, busy or down.
        reason: why it is down; else "".
        labels: by name.
        age: seconds since its newest INFO; infinite before the first.
        role: as in INFO; None where unknown. INFO itself precedes it where the model has all of it.
        version: of the server; None where unknown.
        error: newest error of a shard that is down; else "".
        since: when its present state began, by the model's clock; None where unknown.
    """

    state: str
    reason: str
    labels: Mapping[str, str]
    age: float
    role: str | None = None
    version: str | None = None
    error: str = ""
    since: float | None = None


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


class Record:
    """One shard.

    Attributes:
        info: field to value.
        rates: growth per second of the counters in `info`, as `counters.rates` returns it.
        status: the daemon's last report; its age is as of then.
        history: the last minutes.
        filled: whether the history has what the daemon has.
        numbers: the newest of each of `history.SERIES`, NaN for none; empty before the first INFO.
    """

    __slots__ = (
        "_changed_at",
        "_interrupted",
        "_interval",
        "_missed",
        "_polled_at",
        "_received_at",
        "_revision",
        "_sections",
        "_time",
        "_version",
        "_whole",
        "filled",
        "history",
        "info",
        "numbers",
        "rates",
        "status",
    )

    def __init__(self) -> None:
        self.info: Info = {}
        self.status = Status(NEW, "", {}, math.inf)
        self.rates: Mapping[str, float | None] = _NO_RATES
        self._revision = 0
        self._time = 0.0  # of the newest INFO, by the daemon's clock
        self._whole = False  # whether `info` is a whole INFO, not only the fields of the table
        self._received_at = -math.inf  # when it arrived, by our clock
        self._polled_at = -math.inf
        self._interval: float | None = None
        self._version: str | None = None  # by a whole INFO
        self._interrupted = True  # it may not have answered since the newest INFO
        self._missed = False  # polls after the newest INFO were not followed
        self._changed_at: dict[str, float] = {}
        self._sections: dict[str, tuple[str, ...]] = {}
        self.history = History()
        self.filled = False
        self.numbers: Sequence[float] = ()

    # --- from the feed

    def set_status(self, status: Status, now: float) -> None:
        """Set what the daemon reports about the shard besides INFO."""
        self.status = status
        self._polled_at = now - status.age
        if status.state not in ANSWERING:
            self._interrupted = True

    def set_state(self, state: str, reason: str) -> None:
        """Set the state. After one in which it does not answer, its next INFO follows none."""
        if (state, reason) != self.status[:2]:
            self.status = self.status._replace(state=state, reason=reason, error="", since=None)
        if state not in ANSWERING:
            self._interrupted = True

    def apply(self, delta: Delta, now: float) -> None:
        """Apply the changes that a poll found.

        Args:
            delta: against the present INFO, or whole.
            now: the time of its arrival.
        """
        old, known = self.info, self._whole
        info = delta.applied_to(old)
        if delta.revision == self._revision:
            if not known:  # the model had the fields of the table
                self.info, self._whole, self._version = info, True, _version(info)
            return
        self._store(info, delta.revision, delta.time, now)
        self._whole, self._version = True, _version(info)
        if known:
            changed = delta.set if delta.base else _changes(old, delta.set)
            self._changed_at.update(dict.fromkeys(changed, now))
            for name in self._changed_at.keys() - info.keys():
                del self._changed_at[name]

    def update(self, reading: Reading) -> None:
        """Apply a new INFO of which only the fields of the table were read."""
        if reading.revision == self._revision:
            if not self._whole:
                self.info = reading.fields  # other fields may be read than before
            return
        self._store(reading.fields, reading.revision, reading.time, reading.at)
        self._whole, self._changed_at = False, {}

    def miss_polls(self) -> None:
        """Note that the next polls are missed: the INFO after them has no rates, but a gap."""
        self._interrupted = self._missed = True
        self.filled = False

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
            _text(self.info.get("role")) or status.role,
            status.version or self._version,
            self._interval,
            max(0.0, now - self._polled_at),
            self._revision,
            status.error,
            None if status.since is None else max(0.0, now - status.since),
            self.info,
            self.rates,
        )

    @property
    def kind(self) -> tuple[str | None, str | None]:
        """Its version and role."""
        role = _text(self.info.get("role")) or self.status.role
        return self.status.version or self._version, role

    @property
    def clock_ahead(self) -> float | None:
        """The daemon's wall clock minus the model's clock; None before the first INFO."""
        return self._time - self._received_at if self._revision else None

    @property
    def is_primary(self) -> bool:
        """Whether it is not a replica, as far as is known."""
        return (_text(self.info.get("role")) or self.status.role) != REPLICA

    def series(self, now: float, *, fresh: bool) -> Series:
        """Return the last minutes.

        Args:
            now: the time.
            fresh: whether the model is current.
        """
        silent = now - self._received_at
        limit = max(_HOLD_SECONDS, _HOLD_INTERVALS * (self._interval or 0.0))
        hold = fresh and self.status.state in ANSWERING and silent <= limit
        return self.history.series(now, hold=hold)

    def sections(self, now: float) -> list[Section]:
        """Return all fields, by section; none where only those of the table are known."""
        if not self._whole:
            return []
        return [
            Section(name, [self._field(field, now) for field in fields])
            for name, fields in divided(self.info, self._sections)
        ]

    def lacks_sections(self) -> bool:
        """Return whether there are fields whose section is unknown."""
        return self._whole and lacks_some(self.info, self._sections)

    # --- internals

    def _store(
        self,
        info: Info,
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
        known = since is not None and not were_reset(old, info)
        self.rates = rates(old, info, since) if since is not None and known else _NO_RATES
        followed = None if self._interrupted or since is None else self._received_at
        self.info, self._revision, self._time = info, revision, time
        self._received_at = self._polled_at = now
        self._interrupted = self.status.state not in ANSWERING and self.status.state != NEW
        self._missed = False
        self.numbers = series_numbers(info, self.rates)
        first = None if followed is None else step_at(followed) + 1
        self.history.add(self.numbers, step_at(now), first)

    def _field(self, name: str, now: float) -> Field:
        changed_at = self._changed_at.get(name)
        changed = None if changed_at is None else max(0.0, now - changed_at)
        keys = counter_items(name)
        rate = self.rates.get(f"{name}.{keys[0]}" if keys else name)
        return Field(name, self.info[name], rate, changed)


def _changes(old: Info, new: Info) -> Info:
    """Return the fields that are new or have another value."""
    return {name: value for name, value in new.items() if name not in old or old[name] != value}


def _version(info: Info) -> str | None:
    found = version_of(info)
    return found and found.text


def _text(value: Value | None) -> str | None:
    """Return a text; of a field that is repeated, the first."""
    if type(value) is str:
        return value
    if isinstance(value, list) and value:
        value = value[0]
    return value if isinstance(value, str) else None
