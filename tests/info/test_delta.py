"""Deltas between INFO replies, and what a parse caches for later ones."""

from __future__ import annotations

import re
from collections.abc import Sized

import pytest

from tests.examples import examples
from tests.info_texts import SEQUENCES, TEXTS, apply, exact, select_implementation, whole_delta
from zinfo.info import values
from zinfo.info.delta import Delta, diff, read_changes
from zinfo.info.parser import Info, parse
from zinfo.info.text import MAX_KEY_LENGTH


@pytest.fixture(params=["native", "python"], autouse=True)
def implementation(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run each test with the native part and without it."""
    select_implementation(request.param, monkeypatch)


def find(old: bytes, new: bytes, parsed: tuple[Info, Info] | None = None) -> Delta:
    """Return the delta that is published, after checks against a diff of two parses."""
    before, after = parsed or (parse(old), parse(new))
    delta, layout = whole_delta(old, new, before.layout)
    least = diff(before.fields, after.fields)
    assert delta.unset == least.unset
    assert exact({name: delta.set[name] for name in least.set}) == exact(least.set)
    same = {name: before.fields[name] for name in delta.set.keys() - least.set.keys()}
    assert {name: delta.set[name] for name in same} == same
    assert layout == after.layout
    return delta


@pytest.fixture(scope="module")
def all_parsed() -> dict[str, Info]:
    """The parsed replies; a parse is the same with the native part and without it."""
    return {name: parse(text) for name, text in TEXTS.items()}


@pytest.mark.parametrize("old", TEXTS)
def test_the_delta_between_any_two_replies_turns_one_into_the_other(
    old: str, all_parsed: dict[str, Info]
) -> None:
    """In a normal run, with a part of the others that differs for each reply."""
    step = len(TEXTS) // examples(len(TEXTS))
    before = all_parsed[old]
    for new in list(TEXTS)[list(TEXTS).index(old) % step :: step]:
        delta = find(TEXTS[old], TEXTS[new], (before, all_parsed[new]))
        assert apply(delta, before.fields) == all_parsed[new].fields


@pytest.mark.parametrize(
    "texts", SEQUENCES, ids=["redis-6.2", "redis-7.0", "valkey-8.1", "valkey-9.1"]
)
def test_a_chain_of_deltas_reproduces_each_reply_of_a_server(texts: list[bytes]) -> None:
    previous = texts[0]
    copy = dict(parse(previous).fields)
    for raw in [*texts, *reversed(texts)]:
        copy = apply(find(previous, raw), copy)
        previous = raw
        assert exact(sorted(copy.items())) == exact(sorted(parse(raw).fields.items()))


def test_the_delta_of_a_busy_server_has_changed_and_removed_fields() -> None:
    _, first, _, last = SEQUENCES[1]
    delta = find(first, last)
    assert delta.unset == ["db9"]
    assert "db3" in delta.set
    assert delta.set["errorstat_NEWERR"] == {"count": 1}
    assert not {"run_id", "redis_version", "maxmemory"} & set(delta.set)


def test_the_delta_between_equal_replies_is_empty() -> None:
    raw = TEXTS["redis-7.0.15-idle"]
    assert find(raw, bytes(bytearray(raw))) == Delta({}, [])


def test_a_delta_has_only_the_fields_that_changed() -> None:
    raw = TEXTS["redis-7.0.15-primary-1"]
    delta = find(raw, raw.replace(b"maxclients:10000", b"maxclients:20000"))
    assert delta == Delta({"maxclients": 20000}, [])


def test_most_changes_are_found_without_a_whole_parse() -> None:
    raw = TEXTS["redis-7.0.15-primary-1"]
    moved = re.sub(rb"(?<=[:=])[1-9][0-9]*(?=[\r,])", b"7", raw)
    changed = read_changes(raw, moved, parse(raw).layout)
    assert changed is not None
    assert len(changed) > 60
    ping = changed["cmdstat_ping"]
    assert isinstance(ping, dict)
    assert ping["calls"] == 7


CHANGES: list[tuple[bytes, bytes, Delta]] = [
    (b"a:1\nb:2", b"a:1\nb:3", Delta({"b": 3}, [])),
    (b"a:1", b"a:1.0", Delta({"a": 1.0}, [])),
    (b"a:1.0", b"a:1.00", Delta({}, [])),
    (b"a:0.0", b"a:-0.0", Delta({"a": -0.0}, [])),
    (b"a:1", b"a: 1", Delta({}, [])),
    (b"a:1\r\n", b"a:1\n", Delta({}, [])),
    (b"a:1\r\n", b"a:1\r\r\n", Delta({"a": "1\r"}, [])),
    (b"a:1.5e+06", b"a:1e+06", Delta({"a": 1e6}, [])),
    (b"db0:keys=1", b"db0:keys=1e+06", Delta({"db0": {"keys": 1e6}}, [])),
    (b"x_id:77", b"x_id:7e+07", Delta({"x_id": "7e+07"}, [])),
    (b"a:x=1", b"a:x=1.0", Delta({"a": {"x": 1.0}}, [])),
    (b"a:x=1,y=2", b"a:y=2,x=1", Delta({"a": {"y": 2, "x": 1}}, [])),
    (b"a:x=1,y=1", b"a:y=1,x=1", Delta({"a": {"y": 1, "x": 1}}, [])),
    (b"a:1,1.0", b"a:1.0,1", Delta({"a": [1.0, 1]}, [])),
    (b"a:x=1,y", b"a:x=1,y=1", Delta({"a": {"x": 1, "y": 1}}, [])),
    (b"a:1\nb:2", b"b:2\na:1", Delta({}, [])),
    (b"a:1\nb:2", b"a:1\nc:2", Delta({"c": 2}, ["b"])),
    (b"a:1\nb:2", b"a:1\na:2", Delta({"a": [1, 2]}, ["b"])),
    (b"a:1\na:2", b"a:1\na:3", Delta({"a": [1, 3]}, [])),
    (b"a:1\na:2", b"a:2\na:2", Delta({"a": [2, 2]}, [])),
    (b"a:1,2\nb:1", b"a:1,3\nb:1", Delta({"a": [1, 3]}, [])),
    (b"a:1", b"a:1,2", Delta({"a": [1, 2]}, [])),
    (b"module:name=x", b"module:name=y", Delta({"module": [{"name": "y"}]}, [])),
    (b"a:1\n", b"a:1\nbad", Delta({}, [])),
    (b"bad\na:1", b"worse\na:2", Delta({"a": 2}, [])),
    (b"bad\na:1", b"bad\na:2", Delta({"a": 2}, [])),
    (b"# A\na:1", b"# B\na:1", Delta({}, [])),
    (b"# A\na:1\nb:1", b"# A\na:1\n#b:1", Delta({}, ["b"])),
    (
        b"cmdstat_a:b:calls=1",
        b"cmdstat_a:calls=1",
        Delta({"cmdstat_a": {"calls": 1}}, ["cmdstat_a:b"]),
    ),
    (
        b"cmdstat_a:calls=1",
        b"cmdstat_a:b:calls=1",
        Delta({"cmdstat_a:b": {"calls": 1}}, ["cmdstat_a"]),
    ),
    (
        b"cmdstat_a:b:calls=1\ncmdstat_a:calls=5",
        b"cmdstat_a:calls=2\ncmdstat_a:calls=5",
        Delta({"cmdstat_a": [{"calls": 2}, {"calls": 5}]}, ["cmdstat_a:b"]),
    ),
    (
        b"cmdstat_host::calls=1",
        b"cmdstat_host::calls=2",
        Delta({"cmdstat_host:": {"calls": 2}}, []),
    ),
    (b"executable:C:\\a", b"executable:D:\\a", Delta({"executable": "D:\\a"}, [])),
    (b"", b"a:1", Delta({"a": 1}, [])),
    (b"a:1", b"", Delta({}, ["a"])),
]


@pytest.mark.parametrize(("old", "new", "delta"), CHANGES)
def test_a_change_has_this_delta(old: bytes, new: bytes, delta: Delta) -> None:
    found = find(old, new)
    assert found.unset == delta.unset
    assert exact(diff(parse(old).fields, parse(new).fields)) == exact(delta)
    assert found.set.keys() >= delta.set.keys()


# -- caches


def test_two_shards_share_names_sections_and_common_values() -> None:
    one, two = parse(TEXTS["redis-7.0.15-primary-1"]), parse(TEXTS["redis-7.0.15-primary-2"])
    theirs = {name: name for name in two.fields}
    for name in one.fields:
        if not name.startswith("errorstat_"):
            assert name is theirs[name]
    assert one.fields["mem_allocator"] is two.fields["mem_allocator"]
    assert one.sections["Stats"] is two.sections["Stats"]


def test_ever_new_names_take_bounded_memory() -> None:
    tables: list[tuple[Sized, int]] = [
        (values._names, values.MAX_NAMES),
        (values._parts, values.MAX_NAMES),
        (values._lines, values.MAX_LINES),
        (values._name_lists, values.MAX_NAME_LISTS),
    ]
    for turn in range(values.MAX_NAME_LISTS + 1):
        lines = [f"name{turn}x{n}:{n % 100}\r\nmap{n}:part{turn}x{n}={n}" for n in range(10)]
        parse("\r\n".join(lines).encode())
    for table, limit in tables:
        assert 0 < len(table) <= limit


def test_ids_that_no_two_shards_share_are_not_cached() -> None:
    parse(b"run_id:5471869cb21f456e\r\nredis_version:7.0.15\r\n")
    assert values.cached_line(b"run_id:5471869cb21f456e\r") is None
    assert values.cached_line(b"redis_version:7.0.15\r") == ("redis_version", "7.0.15")


def test_maps_and_lists_are_not_shared_between_infos() -> None:
    one, two = parse(b"a:x=1\r\nb:1,2"), parse(b"a:x=1\r\nb:1,2")
    assert one.fields["a"] is not two.fields["a"]
    assert one.fields["b"] is not two.fields["b"]


def test_long_names_are_not_cached() -> None:
    long = "x" * 5000
    parse(f"{long}:1\r\nmap:{long}=1\r\nmap:{long}=1\r\nshort:{long}".encode())
    for table in (values._names, values._parts, values._lines):
        assert max(map(len, table)) <= MAX_KEY_LENGTH
    names = [f"{'x' * 100}{n}" for n in range(200)]
    parse("\n".join(f"{name}:1" for name in names).encode())
    assert tuple(names) not in values._name_lists


def test_error_names_are_not_cached() -> None:
    parse(b"# Errorstats\r\nerrorstat_made_up_by_a_script:count=1\r\n")
    assert b"errorstat_made_up_by_a_script" not in values._names
    assert ("errorstat_made_up_by_a_script",) not in values._name_lists
