"""Kinds of INFO fields by name: which values are text, statistics or of a database. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

TEXT_FIELDS: Final = frozenset(
    (
        # A zone that people name; an empty one, or `1`.
        "availability_zone",
        # Paths, which may be `10`.
        "executable",
        "config_file",
        # Descriptions of the build, of the system and of an error.
        "os",
        "monotonic_clock",
        "mem_allocator",
        "pika_build_compile_date",
        "db_fatal_msg",
    )
)
"""Fields whose value is always text, and whose name does not say so."""

TEXT_ENDING: Final = re.compile(
    r"(?:^|[_.-]|(?<=[a-z])(?=[A-Z]))"  # the word begins the name, or follows another word
    r"(?i:"
    r"version"  # 7.4 is not a number, and 7.10 is newer than 7.4
    r"|(?:repl|run|uu|gu)?id[0-9]*"  # hexadecimal: some have only digits, or look like `7e+12`
    r"|serial|fingerprint|digest|checksum|md5|sha[0-9]*"
    r"|(?:git|build|commit|source)_(?:hash|commit|rev|revision)"
    r"|host|hostname|ip|name"  # people choose them; a host may be named `10`, or `a,b=c`
    r"|subject|issuer"  # of a certificate, such as `CN=10`
    r")\Z"
)
"""Last words of the names of fields, and of values in a map, that are always text: versions, ids,
hashes, names and addresses."""

NUMBER_PREFIXES: Final = (
    "num_",
    "number_",
    "count_",
    "total_",
    "max_",
    "min_",
    "process_",
    "thread_",
)
"""First words of names that do not mean text, whatever their last word: they mean a quantity
(`num_super_version`), or a number that the operating system gives (`process_id`)."""

MAX_TEXT_ENDING: Final = 32
"""Characters at the end of a name that are searched for `TEXT_ENDING`: more than its words have."""

MAX_CACHED_NAME: Final = 64
"""Longest name that `is_text_part` caches its result for, in characters."""

UNIQUE_TEXT: Final = frozenset(("run_id", "master_replid", "master_replid2", "replication_id"))
"""Fields whose text no two shards share; caching them would only cost memory."""

TEXT_PARTS: Final = frozenset(("address", "bind", "path", "state", "status"))
"""More names in a map (`slave0`, `master0`, `listener0`) whose value stays text."""

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
    # Prefixes are checked first: that takes a third of the time of a regular expression.
    if name.startswith(STATS_PREFIXES):
        return STATS
    if name.startswith("db") and KEYSPACE_PATTERN.fullmatch(name):
        return KEYSPACE
    return TEXT if name in TEXT_FIELDS or _is_text_name(name) else VALUE


def is_text_part(name: str) -> bool:
    """Return whether the value with this name in a map is always text.

    Does not apply to statistics and the keyspace, whose values are all numbers.
    """
    return name in TEXT_PARTS or _is_text_name(name)


def _is_text_name(name: str) -> bool:
    return (_cached_ending if len(name) <= MAX_CACHED_NAME else _has_text_ending)(name)


def _has_text_ending(name: str) -> bool:
    if name.startswith(NUMBER_PREFIXES):
        return False
    return TEXT_ENDING.search(name[-MAX_TEXT_ENDING:]) is not None


_cached_ending = lru_cache(maxsize=8192)(_has_text_ending)
