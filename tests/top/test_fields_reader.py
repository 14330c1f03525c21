"""How the fields of all shards are read: several requests, absent fields, older daemons."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any, cast

import pytest

from tests.client.column_pages import page_of
from zinfo.client import Client
from zinfo.client.columns import Columns, columns_of
from zinfo.client.updates import Info
from zinfo.errors import BadRequestError, UnknownOpError
from zinfo.top.fields_reader import MAX_COLUMNS, FieldsReader
from zinfo.wire.column_pages import page_from_body


class Daemon:
    """Takes the place of a client.

    Args:
        infos: fields of each shard that was polled.
        unpolled: ids of the others, and their state.
        refuses: what `get_columns` raises.
    """

    def __init__(
        self,
        infos: dict[str, Info],
        unpolled: dict[str, str] | None = None,
        refuses: Exception | None = None,
    ) -> None:
        self.infos = infos
        self.unpolled = unpolled or {}
        self.refuses = refuses
        self.revisions = dict.fromkeys(infos, 7)
        self.asked: list[list[str]] = []
        self.after_request: Callable[[], object] = lambda: None

    def get_columns(self, names: Sequence[str], *_: object, **__: object) -> Columns:
        self.asked.append(list(names))
        if self.refuses:
            raise self.refuses
        ids = [*self.infos, *self.unpolled]
        states = ["up"] * len(self.infos) + list(self.unpolled.values())
        columns = {name: [self.infos.get(shard, {}).get(name) for shard in ids] for name in names}
        ages = [1.0 if shard in self.infos else float("inf") for shard in ids]
        body = page_of(columns, ids=ids, ages=ages, states=states)
        revisions = [self.revisions.get(shard, 0) for shard in ids]
        body |= {
            "revision": array("q", revisions).tobytes(),
            "time": array("d", [500.0] * len(ids)).tobytes(),
        }
        self.after_request()
        page = page_from_body(body, len(names))
        return columns_of(list(names), [page], None, with_revisions=True)

    def iter_infos(self, keys: Sequence[str], **_: object) -> Any:
        self.asked.append(list(keys))
        yield [
            {
                **{name: info[name] for name in keys if name in info},
                "meta": {
                    "shard_identifier": shard,
                    "info_age": 1.0,
                    "state": "up",
                    "revision": 7,
                    "time": 500.0,
                },
            }
            for shard, info in self.infos.items()
        ]


def reader_of(daemon: Daemon) -> FieldsReader:
    return FieldsReader(cast("Client", daemon), {})


MANY = {f"field_{number}": number for number in range(MAX_COLUMNS + 5)}
"""More fields than a request has room for."""


@pytest.mark.parametrize("refusal", [None, UnknownOpError("none"), BadRequestError("unknown")])
def test_fields_states_and_ages_are_read_with_and_without_columns(
    refusal: Exception | None,
) -> None:
    infos: dict[str, Info] = {
        "a": {"role": "master", "used_memory": 5, "db0": {"keys": 1}},
        "b": {"role": "slave", "ratio": 0.5},
    }
    daemon = Daemon(infos, refuses=refusal)
    reader = reader_of(daemon)
    for _ in range(2):
        shards, readings = reader.read(["role", "used_memory", "ratio", "db0", "none"])
        assert {name: tuple(one) for name, one in shards.items()} == {
            "a": ("up", 1.0),
            "b": ("up", 1.0),
        }
        assert {one.shard: one.fields for one in readings} == infos
        assert {(one.revision, one.time) for one in readings} == {(7, 500.0)}
    assert len(daemon.asked) == (2 if refusal is None else 3), "it is refused once"


def test_fields_of_several_requests_are_those_of_one_info() -> None:
    daemon = Daemon({"a": {**MANY}, "b": {**MANY}})
    reader = reader_of(daemon)
    _, readings = reader.read(list(MANY))
    assert [len(asked) for asked in daemon.asked] == [MAX_COLUMNS, 5]
    assert [one.fields for one in readings] == [MANY, MANY]
    daemon.after_request = lambda: daemon.revisions.update(b=8)  # it is polled in between
    shards, readings = reader.read(list(MANY))
    assert list(shards) == ["a", "b"]
    assert [one.shard for one in readings] == ["a"]


def test_fields_that_no_shard_has_are_not_requested_again_until_they_are_forgotten() -> None:
    daemon = Daemon({"a": {"used_memory": 1}, "b": {"db0": {"keys": 1}}}, {"c": "down"})
    reader = reader_of(daemon)
    for _ in range(2):
        shards, readings = reader.read(["used_memory", "none", "db0", "db1"])
        assert shards["c"].state == "down"
        assert [one.fields for one in readings] == list(daemon.infos.values())
    reader.forget_absent()
    reader.read(["used_memory", "none"])
    assert daemon.asked[1:] == [["used_memory", "db0"], ["used_memory", "none"]]


def test_a_shard_without_info_may_have_a_field_soon() -> None:
    daemon = Daemon({"a": {"used_memory": 1}}, {"b": "new"})
    reader = reader_of(daemon)
    reader.read(["used_memory", "db0"])
    reader.read(["used_memory", "db0"])
    assert daemon.asked[1] == ["used_memory", "db0"]


def test_no_fields_at_all_still_give_the_states() -> None:
    daemon = Daemon({"a": {}, "b": {}})
    reader = reader_of(daemon)
    for _ in range(2):
        shards, readings = reader.read(["none", "no"])
        assert list(shards) == ["a", "b"]
        assert [one.fields for one in readings] == [{}, {}]
    assert daemon.asked == [["none", "no"], ["none"]]


def test_no_shards_give_nothing() -> None:
    assert reader_of(Daemon({})).read(["used_memory"]) == ({}, [])
