"""The limits on lines and values of a reply, counted by native code and by Python."""

from __future__ import annotations

import random

import pytest

from tests.info_texts import TEXTS
from zinfo.info import bounds
from zinfo.info.bounds import (
    COMMAS_PER_LINE,
    MAX_FIELDS,
    UNCOUNTED_BYTES,
    size_problem,
    size_problem_of_fields,
)
from zinfo.native.loader import native

LEAST = 100
"""Fields allowed in these tests: the smallest number that can be configured."""


@pytest.fixture(params=["native", "python"], autouse=True)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test with the native part and without it."""
    if request.param == "python":
        monkeypatch.setattr(bounds, "native", None)
    elif native is None:
        pytest.skip("no native part: no compiler when zinfo was installed, or ZINFO_PURE_PYTHON")


@pytest.mark.parametrize("name", TEXTS)
def test_a_real_reply_is_far_within_the_bounds(name: str) -> None:
    assert size_problem(TEXTS[name], MAX_FIELDS) == ""
    assert size_problem(TEXTS[name], MAX_FIELDS // 3) == ""


def test_a_server_with_statistics_of_every_command_is_within_the_bounds() -> None:
    # Redis 8 with its modules has some 650 commands and subcommands, and at most 128 errors.
    lines = [
        b"cmdstat_c%d:calls=1,usec=2,usec_per_call=2.00,rejected_calls=0,failed_calls=0" % n
        for n in range(650)
    ]
    lines += [b"latency_percentiles_usec_c%d:p50=1.0,p99=2.0,p99.9=3.0" % n for n in range(650)]
    lines += [b"errorstat_E%d:count=1" % n for n in range(128)]
    lines += [b"db%d:keys=1,expires=0,avg_ttl=0,subexpiry=0" % n for n in range(1000)]
    raw = TEXTS["valkey-8.1.8-primary-3"] + b"\r\n".join(lines)
    assert size_problem(raw, MAX_FIELDS) == ""


def test_too_many_lines_are_reported_with_the_configuration_key() -> None:
    line = b"field:123\r\n"
    assert size_problem(line * LEAST, LEAST) == ""
    problem = size_problem(line * (LEAST + 1), LEAST)
    assert problem == "INFO of 101 lines, over the bound of 100 (poll.max_fields)"


def test_too_many_values_in_maps_and_lists_are_reported() -> None:
    most = COMMAS_PER_LINE * LEAST
    assert size_problem(b"field:" + b",".join([b"12"] * (most + 1)), LEAST) == ""
    problem = size_problem(b"field:" + b",".join([b"12"] * (most + 2)), LEAST)
    assert problem == (
        "INFO of 301 values in lists and maps, over the bound of 3 times 100 (poll.max_fields)"
    )


def test_a_short_reply_is_not_counted() -> None:
    assert size_problem(b"\n" * UNCOUNTED_BYTES * LEAST, LEAST) == ""
    assert size_problem(b"\n" * (UNCOUNTED_BYTES * LEAST + 1), LEAST)


def test_fields_parsed_by_a_client_library_have_the_same_bounds() -> None:
    fields: dict[str, object] = {f"f{number}": 1 for number in range(LEAST)}
    assert size_problem_of_fields(fields, LEAST) == ""
    assert "101 lines" in size_problem_of_fields({**fields, "more": 1}, LEAST)
    assert size_problem_of_fields({"f": [1] * (COMMAS_PER_LINE * LEAST)}, LEAST) == ""
    assert "301 values" in size_problem_of_fields({"f": [1] * (COMMAS_PER_LINE * LEAST + 1)}, LEAST)


def test_native_code_and_python_count_the_same() -> None:
    numbers = random.Random(1)
    for size in (0, 1, 254, 255, 256, 511, 5000):
        raw = bytes(numbers.choice(b"\n,ab\r\xff") for _ in range(size))
        assert bounds._count(raw) == (raw.count(b"\n"), raw.count(b","))
        if native is not None:
            assert native.count_marks(raw) == bounds._count(raw)
