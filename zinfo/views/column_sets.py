"""Sets of columns with names: those of zinfo, and those that users save as TOML. Pure.

    [columns]
    "my memory" = ["id", "state", "used_memory_rss", "expired_keys/s", "ops~", "label:site"]

A column is a quantity (`zinfo.views.quantities`), or its sparkline: the name with `~` behind it.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from zinfo.views.formatting import safe
from zinfo.views.quantities import UnknownQuantityError, quantity

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SPARK = "~"
"""End of the name of a column that is the sparkline of a quantity: `ops~`."""

DEFAULT = "default"
"""Name of the set that is shown where none is chosen."""

MAX_COLUMNS = 40
"""Maximum number of columns of a table."""

MAX_SETS = 50
"""Maximum number of saved sets."""

MAX_NAME = 40
"""Maximum length of the name of a set, in characters."""

_NAME = re.compile(r"[^,\s][^,]*")

BUILT_IN: Mapping[str, tuple[str, ...]] = {
    DEFAULT: (
        *("id", "state", "role", "ops", "ops~", "memory", "memory~", "full", "hits", "hits~"),
        *("clients", "keys", "net_in", "net_out", "version", "interval", "age"),
    ),
    "memory": (
        *("id", "state", "role", "memory", "memory~", "maxmemory", "full", "maxmemory_policy"),
        *("evicted", "evicted~", "used_memory_rss", "fragmentation", "used_memory_peak"),
        *("used_memory_dataset", "mem_clients_normal", "keys"),
    ),
    "replication": (
        *("id", "state", "role", "link", "lag", "lag~", "replicas", "master_host", "master_port"),
        *("master_repl_offset", "slave_repl_offset", "sync_full", "sync_partial_err"),
        *("repl_backlog_size", "total_net_repl_output_bytes/s"),
    ),
    "clients": (
        *("id", "state", "clients", "clients~", "maxclients", "blocked", "rejected"),
        *("total_connections_received/s", "client_recent_max_input_buffer"),
        *("client_recent_max_output_buffer", "pubsub_clients", "tracking_clients"),
    ),
    "network": (
        *("id", "state", "ops", "ops~", "net_in", "net_in~", "net_out", "net_out~"),
        *("total_net_repl_input_bytes/s", "total_net_repl_output_bytes/s", "clients"),
    ),
    "persistence": (
        *("id", "state", "role", "rdb_last_bgsave_status", "rdb_last_save_time"),
        *("rdb_changes_since_last_save", "rdb_bgsave_in_progress", "fork", "aof_enabled"),
        *("aof_last_write_status", "aof_last_bgrewrite_status", "aof_current_size", "loading"),
    ),
    "keyspace": (
        *("id", "state", "role", "keys", "hits", "hits~", "hits_overall", "reads", "expired"),
        *("evicted", "db0.keys", "db0.expires", "db0.avg_ttl"),
    ),
    "server": (
        *("id", "state", "since", "role", "version", "uptime", "redis_mode", "run_id", "os"),
        *("used_cpu_user/s", "used_cpu_sys/s", "interval", "age", "error"),
    ),
}
"""The sets of zinfo, by name, in the order in which they are listed."""


class ColumnSet(NamedTuple):
    """A set that a user saved.

    Attributes:
        name: of the set.
        columns: names of columns, from left to right.
    """

    name: str
    columns: tuple[str, ...]


class ColumnSetError(ValueError):
    """A set of columns is invalid; the message says why, in one line."""


def parse_columns(text: str, saved: Iterable[ColumnSet] = ()) -> tuple[str, ...]:
    """Return the columns that a text names.

    Args:
        text: names of columns with commas between them, or the name of a set.
        saved: the sets of the user; one of them precedes one of zinfo with the same name.

    Returns:
        Names of columns, each once, in their present form.

    Raises:
        ColumnSetError: a name is invalid, or there are too many.
    """
    sets = dict(BUILT_IN) | {one.name: one.columns for one in saved}
    return check_columns(sets.get(text.strip()) or text.split(","))


def check_columns(names: Iterable[str]) -> tuple[str, ...]:
    """Return names of columns, each once, in their present form.

    Raises:
        ColumnSetError: a name is invalid, or there are too many or none.
    """
    found: dict[str, None] = {}
    for text in names:
        name = text.strip()
        if not name:
            continue
        try:
            found[_present_name(name)] = None
        except UnknownQuantityError as error:
            raise ColumnSetError(safe(str(error))) from None
        if len(found) > MAX_COLUMNS:
            raise ColumnSetError(f"a table has at most {MAX_COLUMNS} columns")
    if not found:
        raise ColumnSetError("no column is named")
    return tuple(found)


def _present_name(name: str) -> str:
    one = quantity(name.removesuffix(SPARK))
    if not name.endswith(SPARK):
        return one.name
    if not one.series:
        raise UnknownQuantityError(f"{name} is no column: there is no history of {one.name}")
    return f"{one.name}{SPARK}"


def check_name(name: str) -> None:
    """Raise an error if a user cannot save a set under a name.

    Raises:
        ColumnSetError: the name is invalid, or is that of a set of zinfo.
    """
    if len(name) > MAX_NAME or not name.isprintable() or not _NAME.fullmatch(name):
        raise ColumnSetError(f"a name of a set has 1 to {MAX_NAME} characters, and no comma")
    if name in BUILT_IN:
        raise ColumnSetError(f"{name} is a set of zinfo: choose another name")


def load_column_sets(text: str) -> list[ColumnSet]:
    """Return the saved sets in a file.

    Args:
        text: the file, in TOML.

    Raises:
        ColumnSetError: it is not valid.
    """
    try:
        tree = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ColumnSetError(safe(f"not valid TOML: {error}")[:200]) from None
    other = next((name for name in tree if name != "columns"), None)
    if other is not None:
        raise ColumnSetError(f"{safe(other)[:80]} is unknown: only [columns] is allowed")
    sets = tree.get("columns", {})
    if not isinstance(sets, dict):
        raise ColumnSetError("[columns] is no table")
    if len(sets) > MAX_SETS:
        raise ColumnSetError(f"there are more than {MAX_SETS} sets")
    return [_checked(name, columns) for name, columns in sets.items()]


def _checked(name: str, columns: object) -> ColumnSet:
    check_name(name)
    if not isinstance(columns, list) or not all(isinstance(one, str) for one in columns):
        raise ColumnSetError(f"{name}: expected a list of names of columns")
    try:
        return ColumnSet(name, check_columns(columns))
    except ColumnSetError as error:
        raise ColumnSetError(f"{name}: {error}") from None


def dump_column_sets(sets: Sequence[ColumnSet]) -> str:
    """Return saved sets as TOML, which `load_column_sets` reads.

    Raises:
        ColumnSetError: a set is invalid, or there are too many.
    """
    if len(sets) > MAX_SETS:
        raise ColumnSetError(f"at most {MAX_SETS} sets can be saved: delete one first")
    lines = ["# Sets of columns of zinfo top", "[columns]"]
    for name, columns in sets:
        check_name(name)
        listed = ", ".join(map(_quoted, check_columns(columns)))
        lines.append(f"{_quoted(name)} = [{listed}]")
    return "\n".join([*lines, ""])


def _quoted(text: str) -> str:
    """Return a basic string of TOML; JSON has the same escapes, but leaves U+007F as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
