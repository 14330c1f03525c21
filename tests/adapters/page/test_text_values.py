"""Values of the table that are no plain numbers: bounded, and those of the newest INFO."""

from __future__ import annotations

from collections.abc import Mapping

from zinfo.adapters.page.text_values import TextValues
from zinfo.info.cells import encoded_names, read_cells
from zinfo.info.columns import Column
from zinfo.shards.snapshot import Snapshot


def read(
    values: TextValues, replies: Mapping[str, bytes], names: list[str]
) -> dict[str, dict[int, object]]:
    """Return the values that are marked as no plain number, by field and position."""
    columns = {name: Column() for name in names}
    for raw in replies.values():
        cells = read_cells(raw, *encoded_names(names))
        for number, column in enumerate(columns.values()):
            column.marks.append(cells[number])
            column.values += bytes(8)
    snapshots = [Snapshot(raw, 1, 1.0, 1.0) for raw in replies.values()]
    values.begin()
    values.take(list(replies), snapshots, columns, 0, lambda: None)
    return values.found


def test_texts_and_maps_are_those_of_the_newest_reply() -> None:
    values, names = TextValues(), ["role", "db0", "used_memory"]
    first = {"a": b"role:master\r\ndb0:keys=1,expires=0\r\nused_memory:5\r\n", "b": b"x:1\r\n"}
    found = read(values, first, names)
    assert found == {"role": {0: "master"}, "db0": {0: {"keys": 1, "expires": 0}}}
    assert read(values, first, names) == found
    second = {"b": b"role:slave\r\n", "a": b"role:slave\r\ndb0:keys=2,expires=0\r\n"}
    found = read(values, second, names)
    assert found == {"role": {0: "slave", 1: "slave"}, "db0": {1: {"keys": 2, "expires": 0}}}
    assert read(values, second, ["db0"]) == {"db0": {1: {"keys": 2, "expires": 0}}}


def test_a_repeated_field_and_one_with_a_key_in_its_name_are_read() -> None:
    replies = {"a": b"role:master\r\nrole:slave\r\ncmdstat_get:calls=3,usec=4\r\n"}
    found = read(TextValues(), replies, ["role", "cmdstat_get"])
    assert found["role"] == {0: ["master", "slave"]}
    assert found["cmdstat_get"] == {0: {"calls": 3, "usec": 4}}


def test_a_value_of_many_bytes_is_left_out() -> None:
    replies = {"a": b"role:%b\r\nname:x\r\n" % (b"m" * 5000)}
    assert read(TextValues(), replies, ["role", "name"]) == {"name": {0: "x"}}
