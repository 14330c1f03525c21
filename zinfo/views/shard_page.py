"""The parts of a shard's page, in the order in which they are shown: definitions as data. Pure.

A part has single values, each named by a quantity (`zinfo.views.quantities`), or a table of the
maps with a common prefix, such as `cmdstat_get`, `cmdstat_set`. State, role and error are shown
above the parts, and fields that no part has below them, by section of INFO.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from zinfo.client.updates import Value
from zinfo.views.expressions import Expression, number
from zinfo.views.quantities import (
    BYTES,
    COUNT,
    MICROSECONDS,
    MILLISECONDS,
    PER_SECOND,
    SECONDS,
    TEXT,
    quantity,
)


class Item(NamedTuple):
    """A value.

    Attributes:
        label: what it is, in a few words.
        quantity: the text that names the quantity.
    """

    label: str
    quantity: str


class MapColumn(NamedTuple):
    """A column of a table of maps.

    Attributes:
        heading: the text above it.
        prefix: of the fields that have the value.
        key: of the value in the map.
        unit: one of those of `quantities`.
        rate: whether the growth per second of the value is shown instead.
    """

    heading: str
    prefix: str
    key: str
    unit: str
    rate: bool = False


class MapTable(NamedTuple):
    """A table with a line for each name that follows a prefix: `get` for `cmdstat_get`.

    Attributes:
        heading: the text above the names.
        numbered: whether the names are numbers, as those of databases; only such fields count.
        sort: heading of the column that lines are sorted by at first, in descending order; "" to
            sort by name.
        columns: after the names.
    """

    heading: str
    numbered: bool
    sort: str
    columns: tuple[MapColumn, ...]


class Part(NamedTuple):
    """A part of the page.

    Attributes:
        title: its heading.
        items: single values; those that a server does not have are left out.
        table: the table below them; None for none.
        peers: whether the links to primary and replicas are shown.
        static: whether it has facts that hardly ever change; such parts come last.
    """

    title: str
    items: tuple[Item, ...] = ()
    table: MapTable | None = None
    peers: bool = False
    static: bool = False


class MapLine(NamedTuple):
    """A line of a table of maps.

    Attributes:
        name: what follows the prefix.
        values: of the columns; None where unknown.
    """

    name: str
    values: tuple[Value | None, ...]


def _items(*pairs: str) -> tuple[Item, ...]:
    return tuple(Item(*pair.rsplit(" = ", 1)) for pair in pairs)


_COMMANDS = MapTable(
    "command", False, "calls/s",
    (
        MapColumn("calls/s", "cmdstat_", "calls", PER_SECOND, rate=True),
        MapColumn("calls", "cmdstat_", "calls", COUNT),
        MapColumn("mean", "cmdstat_", "usec_per_call", MICROSECONDS),
        MapColumn("p50", "latency_percentiles_usec_", "p50", MICROSECONDS),
        MapColumn("p99", "latency_percentiles_usec_", "p99", MICROSECONDS),
        MapColumn("p99.9", "latency_percentiles_usec_", "p99.9", MICROSECONDS),
        MapColumn("total", "cmdstat_", "usec", MICROSECONDS),
        MapColumn("failed", "cmdstat_", "failed_calls", COUNT),
        MapColumn("rejected", "cmdstat_", "rejected_calls", COUNT),
    ),
)  # fmt: skip
_ERRORS = MapTable(
    "error", False, "count",
    (
        MapColumn("per s", "errorstat_", "count", PER_SECOND, rate=True),
        MapColumn("count", "errorstat_", "count", COUNT),
    ),
)  # fmt: skip
_KEYSPACE = MapTable(
    "database", True, "",
    (
        MapColumn("keys", "db", "keys", COUNT),
        MapColumn("with TTL", "db", "expires", COUNT),
        MapColumn("mean TTL", "db", "avg_ttl", MILLISECONDS),
    ),
)  # fmt: skip
_REPLICAS = MapTable(
    "replica", True, "",
    (
        MapColumn("address", "slave", "ip", TEXT),
        MapColumn("port", "slave", "port", TEXT),
        MapColumn("state", "slave", "state", TEXT),
        MapColumn("lag", "slave", "lag", SECONDS),
        MapColumn("offset", "slave", "offset", BYTES),
    ),
)  # fmt: skip
_MASTERS = MapTable(
    "master", True, "",
    (
        MapColumn("name", "master", "name", TEXT),
        MapColumn("status", "master", "status", TEXT),
        MapColumn("address", "master", "address", TEXT),
        MapColumn("replicas", "master", "slaves", COUNT),
        MapColumn("sentinels", "master", "sentinels", COUNT),
    ),
)  # fmt: skip

PARTS = (
    Part(
        "Memory",
        _items(
            "used = used_memory", "limit = maxmemory", "share of the limit = full",
            "policy = maxmemory_policy", "peak = used_memory_peak", "resident = used_memory_rss",
            "data set = used_memory_dataset", "overhead = used_memory_overhead",
            "scripts = used_memory_vm_total", "normal clients = mem_clients_normal",
            "replication backlog = mem_replication_backlog", "AOF buffer = mem_aof_buffer",
            "fragmentation = mem_fragmentation_ratio", "evicted keys per second = evicted_keys/s",
            "evicted keys = evicted_keys", "machine = total_system_memory",
        ),
    ),
    Part(
        "Clients",
        _items(
            "connected = connected_clients", "limit = maxclients", "blocked = blocked_clients",
            "in MULTI or WATCH = clients_in_timeout_table", "pub/sub = pubsub_clients",
            "tracking = tracking_clients",
            "largest input buffer = client_recent_max_input_buffer",
            "largest output buffer = client_recent_max_output_buffer",
            "new connections per second = total_connections_received/s",
            "rejected per second = rejected_connections/s", "rejected = rejected_connections",
        ),
    ),
    Part(
        "Traffic",
        _items(
            "commands per second = ops", "hit ratio = hits", "hit ratio since start = hits_overall",
            "received = total_net_input_bytes/s", "sent = total_net_output_bytes/s",
            "received for replication = total_net_repl_input_bytes/s",
            "sent for replication = total_net_repl_output_bytes/s",
            "expired keys per second = expired_keys/s", "CPU, user = used_cpu_user/s",
            "CPU, system = used_cpu_sys/s", "commands = total_commands_processed",
        ),
    ),
    Part(
        "Replication",
        _items(
            "link = master_link_status", "seconds since last heard = master_last_io_seconds_ago",
            "link down for = master_link_down_since_seconds",
            "full sync in progress = master_sync_in_progress",
            "bytes left of it = master_sync_left_bytes", "offset = master_repl_offset",
            "offset of the replica = slave_repl_offset", "read only = slave_read_only",
            "replicas = connected_slaves", "full syncs = sync_full",
            "partial syncs = sync_partial_ok", "refused partial syncs = sync_partial_err",
            "failover = master_failover_state", "backlog = repl_backlog_size",
            "cluster state = cluster_state",
        ),
        _REPLICAS, peers=True,
    ),
    Part("Masters", _items("masters = sentinel_masters", "TILT = sentinel_tilt"), _MASTERS),
    Part(
        "Persistence",
        _items(
            "loading = loading", "loaded = loading_loaded_perc",
            "changes since last save = rdb_changes_since_last_save",
            "last save = rdb_last_save_time", "last save succeeded = rdb_last_bgsave_status",
            "saving = rdb_bgsave_in_progress", "last save took = rdb_last_bgsave_time_sec",
            "AOF = aof_enabled", "last AOF write = aof_last_write_status",
            "last AOF rewrite = aof_last_bgrewrite_status",
            "AOF rewrite in progress = aof_rewrite_in_progress", "AOF size = aof_current_size",
            "latest fork took = latest_fork_usec",
        ),
    ),
    Part(
        "Errors",
        _items("replies per second = total_error_replies/s", "replies = total_error_replies"),
        _ERRORS,
    ),
    Part("Commands", (), _COMMANDS),
    Part("Keyspace", (), _KEYSPACE),
    Part(
        "Server",
        _items(
            "server = server_name", "version = version", "mode = redis_mode", "uptime = uptime",
            "port = tcp_port", "process = process_id", "operating system = os",
            "architecture = arch_bits", "event loop = multiplexing_api",
            "I/O threads = io_threads_active", "executable = executable",
            "configuration = config_file", "run id = run_id",
        ),
        static=True,
    ),
)  # fmt: skip
"""All parts, from top to bottom."""


def table_lines(
    table: MapTable, info: Mapping[str, Value], rates: Mapping[str, float | None]
) -> list[MapLine]:
    """Return the lines of a table, in the order of INFO.

    Args:
        table: the table.
        info: the whole INFO.
        rates: growth per second of counters, by `FIELD.KEY`; missing where unknown.
    """
    prefixes = tuple(dict.fromkeys(column.prefix for column in table.columns))
    names = dict.fromkeys(name for field in info for name in _names(table, prefixes, field))
    return [
        MapLine(name, tuple(_cell(column, name, info, rates) for column in table.columns))
        for name in names
        if any(isinstance(info.get(prefix + name), dict) for prefix in prefixes)
    ]


def _names(table: MapTable, prefixes: Collection[str], field: str) -> Iterator[str]:
    for prefix in prefixes:
        name = field.removeprefix(prefix)
        if name != field and name and (not table.numbered or name.isdecimal()):
            yield name


def _cell(
    column: MapColumn, name: str, info: Mapping[str, Value], rates: Mapping[str, float | None]
) -> Value | None:
    field = column.prefix + name
    if column.rate:
        return rates.get(f"{field}.{column.key}")
    found = info.get(field)
    return found.get(column.key) if isinstance(found, dict) else None


def order_lines(lines: list[MapLine], column: int, *, falling: bool) -> list[MapLine]:
    """Return the lines of a table sorted by a column; lines without a value come last.

    Args:
        lines: the lines.
        column: position of the column; -1 for the names.
        falling: whether the order is descending.
    """
    if column < 0:
        return sorted(lines, key=lambda line: _natural(line.name), reverse=falling)

    def key(line: MapLine) -> tuple[bool, object]:
        value = line.values[column]
        amount = number(value)
        return (amount is None, amount if amount is not None else str(value))

    known = [line for line in lines if line.values[column] is not None]
    others = [line for line in lines if line.values[column] is None]
    return sorted(known, key=key, reverse=falling) + others


def _natural(name: str) -> tuple[int, str]:
    return (int(name[:18]), "") if name.isdecimal() else (0, name)


def field_of(expression: Expression) -> Iterator[str]:
    """Yield the field whose own value an expression has; none for one that is computed."""
    name, *operands = expression
    if name == "value":
        yield str(operands[0])
    elif name in ("known", "percent") and isinstance(operands[0], tuple):
        yield from field_of(operands[0])


def shown_fields(info: Mapping[str, Value]) -> frozenset[str]:
    """Return the fields of an INFO that the parts show; all others belong to the list below."""
    fields: set[str] = set()
    for part in PARTS:
        for item in part.items:
            fields.update(field_of(quantity(item.quantity).expression))
        if part.table is not None:
            prefixes = tuple(dict.fromkeys(column.prefix for column in part.table.columns))
            fields.update(
                field
                for field in info
                if isinstance(info[field], dict)
                and any(True for _ in _names(part.table, prefixes, field))
            )
    return frozenset(fields & info.keys())
