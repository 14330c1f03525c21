"""Which sections of INFO are requested."""

from __future__ import annotations

import pytest

from zinfo.info.section_choice import (
    MAX_NAME_LENGTH,
    MAX_SECTIONS,
    REQUIRED,
    join_sections,
    parse_choice,
    sections_of,
)


def test_a_choice_has_one_form() -> None:
    assert parse_choice("everything") == ("everything",)
    assert parse_choice(["All"]) == ("all",)
    assert parse_choice(["Memory", "search", "memory"]) == ("memory", "search")
    assert parse_choice("cpu") == ("cpu",)


@pytest.mark.parametrize(
    "names",
    [
        [],
        "",
        ["a b"],
        ["a\r\nFLUSHALL"],
        ["sección"],
        ["x" * (MAX_NAME_LENGTH + 1)],
        ["default", "commandstats"],
        [f"s{number}" for number in range(MAX_SECTIONS + 1)],
        [1],
    ],
)
def test_a_choice_that_is_not_valid_is_a_value_error(names: list[str]) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_choice(names)


def test_the_required_sections_are_requested_in_the_order_of_redis() -> None:
    assert sections_of(("search", "keyspace", "memory", "bf")) == (
        *("server", "memory", "persistence", "stats", "replication", "keyspace"),
        *("search", "bf"),
    )
    assert set(sections_of(("cpu",))) == {*REQUIRED, "cpu"}


def test_sections_are_joined_by_an_empty_line() -> None:
    parts = (b"# A\r\na:1\r\n", b"", b"# B\r\nb:1", b"# C\r\n")
    assert join_sections(parts) == b"# A\r\na:1\r\n\r\n# B\r\nb:1\r\n\r\n# C\r\n"
    assert join_sections(()) == b""
