"""Every value equals that of redis-py's parser, except where redis-py loses information.

The tests compare line by line, for every stored text and for a live server of each available kind.
DIFFERENCES has all exceptions; docs/reference/info.md lists the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis._parsers.helpers import parse_info

from tests.conftest import ServerFactory
from tests.info_texts import TEXTS, exact
from tests.server_kinds import ServerKind
from tests.servers import put_load
from tests.waiting import wait_until
from zinfo.info.kinds import STATS_PREFIXES, TEXT, is_text_part, kind_of
from zinfo.info.parser import Value, parse
from zinfo.info.values import INT_MAX, INT_MIN

DIFFERENCES = {
    "text field": "an id, a version, a path, a name or an address that looks like a number",
    "text part": "the same for a name inside a map",
    "other notation of a number": "`007`, `+5`, `1_000`: writing the number would change it",
    "negative zero": "`-0` is -0.0, as `-0.0` is",
    "number without a point": "`1e+06` is a number, as `1.5e+06` is",
    "prose": "a subject, a path or a command line is neither a map nor a list",
    "blank after a comma": "`calls=1, usec=2`: redis-py has a name that starts with a blank",
    "integer beyond 64 bits": "msgpack cannot represent it",
    "float out of range": "it would become infinite, which JSON does not have",
    "repeated part": "redis-py has only the last value, zinfo a list of all",
    "colon in a name": "redis-py supports it for `cmdstat_host:` only",
    "empty item in a list": "redis-py drops empty items, and so moves the others",
    "other line separators": "redis-py also ends lines at other separators, as splitlines() does",
}
"""Why a value may differ from redis-py's, for one line."""

WHOLE_TEXT = {
    "repeated field": "redis-py has only the last value, zinfo a list of all",
    "module": "redis-py calls the field `modules`",
    "not a field": "redis-py puts lines without a colon under `__raw__`, zinfo counts them",
    "no name": "redis-py has a field with an empty name, zinfo counts the line",
    "invalid UTF-8": "redis-py replaces such bytes, zinfo escapes them, which keeps names distinct",
}
"""Differences that are not within a line; the comparison below cannot find them."""

Found = Iterator[tuple[str, str, Value, Any]]


def values(raw: bytes) -> Found:
    """Yield the fields of a text: name, text, zinfo's value and redis-py's value."""
    for written in raw.decode("utf-8", "backslashreplace").split("\n"):
        line = written.removesuffix("\r")
        fields = parse(line.encode()).fields
        for name, value in fields.items():
            theirs = parse_info(line)
            if name == "module":
                assert isinstance(value, list)
                yield name, line[len(name) + 1 :], value[0], theirs["modules"][0]
            else:
                yield name, line[len(name) + 1 :], value, theirs.get(name, ...)


def difference(name: str, text: str, ours: Value, theirs: Any) -> str | None:
    """Return the reason why two values differ; None if they are equal, "" without a reason."""
    if exact(ours) == exact(theirs):
        return None
    reason = ""
    if len(f"{name}:{text}".splitlines()) > 1:
        reason = "other line separators"
    elif name.startswith(STATS_PREFIXES) and ":" in name:
        reason = "colon in a name"
    elif kind_of(name) == TEXT:
        reason = "text field" if ours == text else ""
    elif isinstance(ours, str) and isinstance(theirs, (dict, list)):
        reason = "prose" if ours == text else ""
    elif isinstance(ours, list) and isinstance(theirs, list):
        reason = "empty item in a list" if [item for item in ours if item != ""] == theirs else ""
    elif isinstance(ours, dict) and ", " in text:
        without = difference(name, text.replace(", ", ","), ours, stripped(theirs))
        reason = "" if without == "" else "blank after a comma"
    elif isinstance(ours, dict) and isinstance(theirs, dict) and list(ours) == list(theirs):
        reasons = [part_difference(part, ours[part], theirs[part]) for part in ours]
        reason = "" if "" in reasons else next(filter(None, reasons))
    else:
        reason = number_difference(text, ours, theirs)
    return reason


def part_difference(part: str, ours: Value, theirs: Any) -> str | None:
    """Return the same for a pair in a map."""
    if exact(ours) == exact(theirs):
        return None
    if isinstance(ours, list):
        return "repeated part" if ours[-1] == theirs else ""
    if is_text_part(part) and isinstance(ours, str):
        return "text part"
    return number_difference(str(ours), ours, theirs)


def stripped(fields: dict[str, Any]) -> dict[str, Any]:
    """Return a map of redis-py without the blanks before names."""
    return {name.strip(): value for name, value in fields.items()}


def number_difference(text: str, ours: Value, theirs: Any) -> str:
    """Return the reason why zinfo does not convert a text that redis-py converts to a number."""
    if isinstance(ours, float) and isinstance(theirs, str):
        return "number without a point" if ours == float(theirs) else ""
    if exact(ours) == "-0.0":
        return "negative zero" if theirs == 0 else ""
    if ours != text or isinstance(theirs, str):
        return ""
    if theirs in (float("inf"), float("-inf")):
        return "float out of range"
    if not INT_MIN <= theirs <= INT_MAX:
        return "integer beyond 64 bits"
    return "other notation of a number" if str(theirs) != text else ""


def compare(raw: bytes) -> set[str]:
    """Compare all fields of a text; return the differences that occurred."""
    met = set()
    for name, text, ours, theirs in values(raw):
        reason = difference(name, text, ours, theirs)
        if reason is not None:
            assert reason in DIFFERENCES, f"{name}:{text} is {ours!r}, and in redis-py {theirs!r}"
            met.add(reason)
    return met


@pytest.mark.parametrize("name", TEXTS)
def test_every_value_of_a_stored_reply_equals_that_of_redis_py_except_for_listed_differences(
    name: str,
) -> None:
    compare(TEXTS[name])


def test_every_listed_difference_occurs_in_a_stored_reply() -> None:
    assert set().union(*map(compare, TEXTS.values())) == set(DIFFERENCES)


def test_every_listed_difference_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "info.md").read_text()
    for name in DIFFERENCES | WHOLE_TEXT:
        assert f"| {name} |" in page


@pytest.mark.parametrize("name", TEXTS)
def test_the_field_names_equal_those_of_redis_py(name: str) -> None:
    raw = TEXTS[name].decode("utf-8", "backslashreplace")
    theirs = set(parse_info(raw)) - {"__raw__", "modules", ""}
    if name == "handmade-odd-lines":  # the names that redis-py cuts
        theirs -= {"cmdstat_a", "errorstat_vt"}
        theirs |= {"cmdstat_a:b", "errorstat_vt\x0b"}
    assert set(parse(TEXTS[name]).fields) - {"module"} == theirs


def test_every_value_of_a_live_server_equals_that_of_redis_py(
    each_kind: ServerKind, server_factory: ServerFactory
) -> None:
    primary = server_factory(each_kind, args=("--repl-diskless-sync-delay", "0"))
    put_load(primary.client(), 100)
    replica = server_factory(each_kind)
    replica.cli("REPLICAOF", primary.host, primary.port)
    wait_until(
        lambda: b"master_link_status:up" in replica.info_text(), what="the replica to be in step"
    )
    for server in (primary, replica):
        raw = server.info_text()
        assert compare(raw) <= {"text field", "text part", "repeated part"}
        info = parse(raw)
        theirs = parse_info(raw)
        assert info.bad_lines == 0
        assert set(info.fields) - {"module"} == set(theirs) - {"modules"}
        assert info.fields["run_id"] == theirs["run_id"]
