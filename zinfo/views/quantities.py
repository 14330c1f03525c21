"""Quantities: everything that can be a column, a name in a filter, or a sort key. Pure.

The text that names one is the same in columns, filters, sort orders and addresses of pages:

| text | quantity |
|---|---|
| `ops`, `memory`, `state`, ... | one of `QUANTITIES` |
| `used_memory_rss`, `db0.keys` | any field of INFO, as the server spells it; an item of a map |
| `expired_keys/s` | the growth per second of a counter between the last two polls |
| `label:site` | a label |
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from zinfo.views.expressions import Evaluator, Expression, evaluator, fields_of
from zinfo.views.units import (
    BYTES,
    BYTES_PER_SECOND,
    COUNT,
    MICROSECONDS,
    MILLISECONDS,
    NUMBER,
    NUMERIC,
    PER_SECOND,
    RATIO,
    SECONDS,
    TEXT,
    TIME,
)

__all__ = [
    "BYTES",
    "BYTES_PER_SECOND",
    "COUNT",
    "FIELD_UNITS",
    "FORMER_NAMES",
    "MAX",
    "MAX_NAME",
    "MICROSECONDS",
    "MILLISECONDS",
    "NUMBER",
    "NUMERIC",
    "PER_SECOND",
    "PRIMARIES",
    "QUANTITIES",
    "RATIO",
    "RATIO_OF_SUMS",
    "SECONDS",
    "SUM",
    "TEXT",
    "TIME",
    "Quantity",
    "UnknownQuantityError",
    "quantity",
    "unit_of",
    "value_of",
]

SUM = "sum"
PRIMARIES = "primaries"
MAX = "max"
RATIO_OF_SUMS = "ratio"
"""How totals combine a quantity of several shards.

PRIMARIES is the sum over the shards that are not replicas, as these have a copy of the same data.
RATIO_OF_SUMS is for an expression `("div", A, B)`: the sum of all A divided by that of all B.
"""

MAX_NAME = 120
"""Maximum length of a name of a quantity, in characters."""


class Quantity(NamedTuple):
    """A quantity of a shard.

    Attributes:
        name: the text that names it.
        heading: the text above its column.
        unit: one of the units above.
        expression: how it is computed.
        help: what it is, in one line.
        falling: whether the default order is descending.
        live: whether it is unknown while the shard does not answer: a rate, a number of clients.
            Others, such as memory, are those of the newest INFO then.
        total: how totals of rows combine it: SUM, PRIMARIES, MAX, RATIO_OF_SUMS, or "" for none.
        series: the series of the history that is drawn beside it; "" for none.
        otherwise: the quantity that is shown, marked with `~`, where this one is unknown and the
            shard is current; "" for none.
    """

    name: str
    heading: str
    unit: str
    expression: Expression
    help: str = ""
    falling: bool = False
    live: bool = False
    total: str = ""
    series: str = ""
    otherwise: str = ""

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers."""
        return self.unit in NUMERIC

    @property
    def fields(self) -> frozenset[str]:
        """The fields of INFO that it is computed from."""
        return frozenset(fields_of(self.expression))


def _hit_ratio(form: str) -> Expression:
    hits, misses = (form, "keyspace_hits"), (form, "keyspace_misses")
    return ("div", hits, ("add", hits, misses))


_ALL = (
    Quantity("id", "shard", TEXT, ("fact", "shard"), "id of the shard"),
    Quantity("state", "state", TEXT, ("fact", "status"), "state, and why it is down"),
    Quantity("reason", "reason", TEXT, ("fact", "reason"), "why it is down, in one word"),
    Quantity(
        "since", "since", SECONDS, ("fact", "since"), "time in its present state", falling=True
    ),
    Quantity(
        "error", "error", TEXT, ("first", ("fact", "error"), ("fact", "reason")),
        "newest error of a shard that is down",
    ),
    Quantity("role", "role", TEXT, ("fact", "role"), "primary or replica"),
    Quantity("version", "version", TEXT, ("fact", "version"), "version of the server"),
    Quantity(
        "ops", "ops/s", PER_SECOND,
        ("first", ("value", "instantaneous_ops_per_sec"), ("rate", "total_commands_processed")),
        "commands per second", falling=True, live=True, total=SUM, series="ops",
    ),
    Quantity(
        "memory", "memory", BYTES, ("value", "used_memory"), "used_memory",
        falling=True, total=PRIMARIES, series="memory",
    ),
    Quantity(
        "maxmemory", "maxmem", BYTES, ("value", "maxmemory"), "limit of memory; 0 for none",
        falling=True, total=PRIMARIES,
    ),
    Quantity(
        "full", "%max", RATIO, ("div", ("value", "used_memory"), ("value", "maxmemory")),
        "share of maxmemory in use", falling=True, total=MAX,
    ),
    Quantity(
        "hits", "hits", RATIO, _hit_ratio("rate"), "hit ratio of the reads since the poll before",
        live=True, total=RATIO_OF_SUMS, series="hit_ratio", otherwise="hits_overall",
    ),
    Quantity(
        "hits_overall", "hits~", RATIO, _hit_ratio("value"),
        "hit ratio since the server's start or the last CONFIG RESETSTAT", total=RATIO_OF_SUMS,
    ),
    Quantity(
        "reads", "reads/s", PER_SECOND,
        ("add", ("rate", "keyspace_hits"), ("rate", "keyspace_misses")),
        "keys read per second", falling=True, live=True, total=SUM,
    ),
    Quantity(
        "clients", "clients", COUNT, ("value", "connected_clients"), "connected clients",
        falling=True, live=True, total=SUM, series="clients",
    ),
    Quantity(
        "blocked", "blocked", COUNT, ("value", "blocked_clients"),
        "clients that wait in a blocking command", falling=True, live=True, total=SUM,
    ),
    Quantity(
        "keys", "keys", COUNT, ("sum", "db", "keys"), "keys in all databases", falling=True,
        total=PRIMARIES,
    ),
    Quantity(
        "net_in", "in/s", BYTES_PER_SECOND, ("rate", "total_net_input_bytes"),
        "bytes received per second", falling=True, live=True, total=SUM, series="net_in",
    ),
    Quantity(
        "net_out", "out/s", BYTES_PER_SECOND, ("rate", "total_net_output_bytes"),
        "bytes sent per second", falling=True, live=True, total=SUM, series="net_out",
    ),
    Quantity(
        "evicted", "evict/s", PER_SECOND, ("rate", "evicted_keys"), "keys evicted per second",
        falling=True, live=True, total=SUM, series="evicted",
    ),
    Quantity(
        "expired", "expire/s", PER_SECOND, ("rate", "expired_keys"), "keys expired per second",
        falling=True, live=True, total=SUM,
    ),
    Quantity(
        "rejected", "reject/s", PER_SECOND, ("rate", "rejected_connections"),
        "connections rejected per second, because of maxclients", falling=True, live=True,
        total=SUM,
    ),
    Quantity(
        "lag", "lag", SECONDS,
        (
            "first", ("known", ("value", "master_link_down_since_seconds")),
            ("known", ("value", "master_last_io_seconds_ago")),
        ),
        "of a replica: seconds since it last heard of its primary", falling=True, live=True,
        total=MAX, series="lag",
    ),
    Quantity(
        "link", "link", TEXT, ("value", "master_link_status"), "link of a replica to its primary"
    ),
    Quantity(
        "replicas", "replicas", COUNT, ("value", "connected_slaves"), "connected replicas",
        falling=True, live=True, total=SUM,
    ),
    Quantity(
        "uptime", "uptime", SECONDS, ("value", "uptime_in_seconds"),
        "time since the server's start", live=True,
    ),
    Quantity(
        "fork", "fork", MICROSECONDS, ("value", "latest_fork_usec"),
        "time for which the latest fork stopped the server", falling=True, total=MAX,
    ),
    Quantity(
        "fragmentation", "frag", NUMBER, ("value", "mem_fragmentation_ratio"),
        "mem_fragmentation_ratio", falling=True, total=MAX,
    ),
    Quantity(
        "interval", "interval", SECONDS, ("fact", "interval"), "seconds between two polls",
        live=True,
    ),
    Quantity(
        "age", "age", SECONDS, ("fact", "age"), "seconds since the newest INFO", falling=True,
        total=MAX,
    ),
)  # fmt: skip

QUANTITIES = {one.name: one for one in _ALL}
"""The quantities with names of their own, in the order in which they are listed to users."""

FORMER_NAMES = {"shard": "id", "every": "interval"}
"""Former names, which filters, saved columns and addresses of pages may still contain."""

_FIELD = re.compile(r"[^\s/=<>!:\"]+(?:/s)?")
_LABEL = "label:"
FIELD_UNITS = (
    (re.compile(r"_port$|^process_id$|^arch_bits$"), TEXT),  # no amounts, though numbers
    (re.compile(r"_human$|_per_sec$|^server_time_usec$|^keys$"), NUMBER),
    (re.compile(r"_perc(ent(age)?)?$"), RATIO),
    (re.compile(r"_(save|peak)_time$"), TIME),
    (re.compile(r"(^|[._])usec(_per_call)?$|^eventloop_duration_.*sum$"), MICROSECONDS),
    (re.compile(r"_milliseconds$|_msec$|_ms$|^total_active_defrag_time$"), MILLISECONDS),
    (re.compile(r"_seconds(_ago)?$|_sec$|^used_cpu_"), SECONDS),
    (
        re.compile(
            r"_bytes(_|$)|^used_memory|^maxmemory$|^total_system_memory$|^mem_(?!.*ratio|alloc)|"
            r"^allocator_(?!.*ratio)|^(aof|rdb)_.*_size$|_buffer(_length|_size|_peak)?$|_cow_size$|"
            r"^repl_backlog_(size|histlen)$|_cow_peak$"
        ),
        BYTES,
    ),
)
"""The unit of a field of INFO: that of the first pattern that is found in its name."""

_TIMES = frozenset((SECONDS, MILLISECONDS, MICROSECONDS))


class UnknownQuantityError(ValueError):
    """A text names no quantity; the message says why, in one line."""


@lru_cache(maxsize=1000)
def quantity(text: str) -> Quantity:
    """Return the quantity that a text names.

    Whether a server has the field is not checked: it is unknown where none has it.

    Args:
        text: as in the table above.

    Raises:
        UnknownQuantityError: the text has none of these forms.
    """
    name = FORMER_NAMES.get(text, text)
    if name in QUANTITIES:
        return QUANTITIES[name]
    if len(name) > MAX_NAME:
        raise UnknownQuantityError(f"{name[:20]}... is longer than {MAX_NAME} characters")
    if name.startswith(_LABEL) and name != _LABEL:
        label = name.removeprefix(_LABEL)
        return Quantity(name, label, TEXT, ("label", label), f"the label {label}")
    if not _FIELD.fullmatch(name):
        raise UnknownQuantityError(
            f"{text!r} is no column: expected a name such as memory, a field of INFO, FIELD/s, "
            "or label:NAME"
        )
    if name.endswith("/s"):
        path = name.removesuffix("/s")
        unit = BYTES_PER_SECOND if unit_of(path) == BYTES else PER_SECOND
        return Quantity(
            name, name, unit, ("rate", path), f"growth of {path} per second", falling=True,
            live=True, total=SUM,
        )  # fmt: skip
    unit, read = unit_of(name), ("value", name)
    expression: Expression = read
    if unit == RATIO:
        expression = ("percent", read)
    elif unit in _TIMES:
        expression = ("known", read)
    return Quantity(name, name, unit, expression, f"the field {name} of INFO", falling=True)


def unit_of(field: str) -> str:
    """Return the unit of a field of INFO, judged by its name; NUMBER where it has none.

    The values of such a field may be texts all the same; these are shown as they are.
    """
    return next((unit for pattern, unit in FIELD_UNITS if pattern.search(field)), NUMBER)


@lru_cache(maxsize=1000)
def value_of(one: Quantity) -> Evaluator:
    """Return the function that computes a quantity of a row; None where it is unknown.

    A live quantity of a row that is not current is unknown.
    """
    evaluate = evaluator(one.expression)
    if not one.live:
        return evaluate
    return lambda row: evaluate(row) if row.current else None
