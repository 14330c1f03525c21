"""The names of all fields, read of one shard of each kind."""

from __future__ import annotations

from tests.top.building import status
from zinfo.top.known_names import MAX_KINDS, MAX_NAMES, SAMPLES, KnownNames
from zinfo.top.model import TopModel
from zinfo.top.record import Reading


def test_one_shard_of_each_version_and_role_is_read() -> None:
    names = KnownNames()
    shards = [("a", ("7", "master")), ("b", ("7", "master")), ("c", ("7", "slave"))]
    assert names.unread(shards) == ["a", "c"]
    names.add(("7", "master"), {"role": "master", "db0": {"keys": 1, "expires": 0}, "l": [1]})
    assert names.unread(shards) == ["c"]
    assert names.fields == {"role", "db0.keys", "db0.expires"}


def test_numbers_of_names_and_of_kinds_are_bounded() -> None:
    names = KnownNames()
    many = [(str(number), (str(number), None)) for number in range(1000)]
    assert len(names.unread(many)) == SAMPLES
    for number in range(MAX_KINDS):
        names.add((str(number), None), {f"f{number}_{at}": at for at in range(1000)})
    names.add(("x", None), {"long" * 100: 1})
    assert len(names.fields) == MAX_NAMES
    assert names.unread(many) == []


def test_the_model_knows_names_of_fields_and_labels() -> None:
    model = TopModel()
    for shard, state in (("a", "up"), ("b", "down"), ("c", "up")):
        model.update(Reading(shard, 1, 500.0, 100.0, {"used_memory": 1}))
        model.set_statuses({shard: status(state)}, 100.0)
    statuses = {"c": status(labels={"site": "fra"}), "d": status("new", labels={"rack": "1"})}
    model.set_statuses(statuses, 100.0)
    assert model.unread_kinds() == ["c"]
    model.add_names("c", {"used_memory": 1, "tcp_port": 1})
    model.add_names("gone", {"nothing": 1})
    assert model.unread_kinds() == []
    assert model.known() == (frozenset({"used_memory", "tcp_port"}), frozenset({"site", "rack"}))
