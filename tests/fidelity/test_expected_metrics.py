"""Each number of each stored text has a sample, or metrics.md says that it has none, and why."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from tests.fidelity.expected_metrics import PAGE, RENAMED, numbers_without_sample
from tests.fidelity.reader import read
from tests.info_texts import TEXTS

LEFT_OUT: Final = {
    r"cmdstat_.* usec_per_call": "| `cmdstat_*` | `usec_per_call` |",
    r"db[0-9]+ avg_ttl": "| `db*` | `avg_ttl` | if it is negative",
    r"module [0-9]+ (ver|api|filters)": "| `module` | `ver`, `api`, `filters` |",
    r"listener[0-9]+ port": "| `listener*` | `port` |",
    r"slave[0-9]+ (port|conn_fd|sid)": "| `slave*` | `port`, `sid`, `conn_fd`, `sequenceNumber` |",
    r"slave[0-9]+ 1": "| `slave*` | | the list of Redis 2.4",
    r"holes [02]|parts a 1": "| any list | | if it has other text than `N/A` among its numbers",
    r"slave_repl_offset": "| any repeated field of a primary | | if it has fewer values",
    r"tls_[a-z]+_cert_expires_in_seconds": "| `tls_*_cert_expires_in_seconds` | | while",
    r"latency_percentiles_usec_[a-z]+ ": "| `latency_percentiles_usec_*` | other than `p` and a",
}
"""Numbers that have no sample (field, and place in it), to the words of metrics.md about them."""


def paths() -> Iterator[tuple[str, str]]:
    """Yield each number without a sample, and the text that has it."""
    for name, raw in TEXTS.items():
        for path in numbers_without_sample(read(raw)):
            yield " ".join(path), name


def test_each_number_has_a_sample_or_is_left_out_with_a_reason() -> None:
    reasons = "|".join(LEFT_OUT)
    assert not [found for found in paths() if not re.fullmatch(reasons, found[0])]


def test_each_reason_is_needed_and_documented() -> None:
    found = {path for path, _name in paths()}
    for pattern, words in LEFT_OUT.items():
        assert any(re.fullmatch(pattern, path) for path in found), pattern
        assert words in PAGE, pattern


def test_the_tables_of_the_page_are_found() -> None:
    assert RENAMED["used_memory"] == "redis_memory_used_bytes"
    assert len(RENAMED) > 100
