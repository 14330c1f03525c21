"""When a source is read again."""

from __future__ import annotations

import pytest

from tests.discovery.scripted_source import ScriptedSource
from zinfo.discovery.source_entry import SourceEntry
from zinfo.discovery.source_reader import SourceReader
from zinfo.discovery.source_state import SourceState


def nothing(*_args: object) -> None:
    pass


@pytest.mark.parametrize(
    ("interval", "failures", "delay"),
    [
        (5.0, 0, 5.0),
        (5.0, 1, 5.0),
        (5.0, 2, 10.0),
        (5.0, 3, 20.0),
        (5.0, 100_000, 60.0),
        (300.0, 3, 300.0),
    ],
)
def test_a_failing_source_is_read_again_after_longer_and_longer_intervals(
    interval: float, failures: int, delay: float
) -> None:
    entry = SourceEntry(ScriptedSource("one", interval=interval))
    state = SourceState(entry, nothing, nothing)
    reader = SourceReader(state, nothing, nothing, nothing)
    state.failures = failures
    delays = [reader._delay() for _ in range(100)]
    assert min(delays) >= 0.9 * delay
    assert max(delays) <= 1.1 * delay
    assert len(set(delays)) > 1  # many daemons do not read at the same moment
