"""Kinds of INFO fields by name: which values are text, statistics or of a database. Pure."""

from __future__ import annotations

import re
from typing import Final

TEXT_FIELDS: Final = frozenset(
    (
        # Hexadecimal ids, some of which have only digits, or look like `7e12`.
        "redis_git_sha1",
        "redis_build_id",
        "valkey_git_sha1",
        "valkey_build_id",
        "git_sha1",
        "pika_git_sha",
        "run_id",
        "master_replid",
        "master_replid2",
        "replication_id",
        # Names and addresses that people choose; a host may be named `10`, or `a,b=c`.
        "master_host",
        "server_name",
        "availability_zone",
        # Paths may contain `=` and `,`.
        "executable",
        "config_file",
        "db_fatal_msg",
        # Descriptions of the build and of the system.
        "os",
        "monotonic_clock",
        "mem_allocator",
        "pika_build_compile_date",
    )
)
"""Fields whose value is always text."""

TEXT_FIELD_PATTERN: Final = re.compile(
    r".*_version"  # `redis_version:7.4` is not a number, and 7.10 is newer than 7.4
    r"|master_[0-9]+_host"  # KeyDB may replicate from several masters
)
"""Fields whose value is always text, by pattern."""
_TEXT_SUFFIXES: Final = ("_version", "_host")

UNIQUE_TEXT: Final = frozenset(("run_id", "master_replid", "master_replid2", "replication_id"))
"""Fields whose text no two shards share; caching them would only cost memory."""

TEXT_PARTS: Final = frozenset(
    ("ip", "address", "host", "bind", "path", "name", "state", "status", "version")
)
"""Names in a map (`slave0`, `master0`, `listener0`, `module`) whose value stays text.

Does not apply to statistics and the keyspace, whose values are all numbers."""

STATS_PREFIXES: Final = ("cmdstat_", "errorstat_", "latency_percentiles_usec_")
"""Fields whose name may contain any character, also `:`, and whose value never contains `:`."""

KEYSPACE_PATTERN: Final = re.compile("db[0-9]+")
"""Fields whose value is pairs of a name and a number, like those of STATS_PREFIXES."""

INVENTED_PREFIX: Final = "errorstat_"
"""Fields that are not cached, as scripts choose the names of errors."""

NO_FIELD, VALUE, STATS, TEXT, KEYSPACE = range(5)
"""Kinds of fields; `native/text.h` has the same numbers."""


def kind_of(name: str) -> int:
    """Return the kind of the field with a name; `NO_FIELD` if the name is empty."""
    if not name:
        return NO_FIELD
    # Suffix and prefix are checked first: that takes a third of the time of a regular expression.
    if name.startswith(STATS_PREFIXES):
        return STATS
    if name in TEXT_FIELDS:
        return TEXT
    if name.endswith(_TEXT_SUFFIXES) and TEXT_FIELD_PATTERN.fullmatch(name):
        return TEXT
    if name.startswith("db") and KEYSPACE_PATTERN.fullmatch(name):
        return KEYSPACE
    return VALUE
