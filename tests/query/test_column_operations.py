"""The operation `get_columns`: its values are those of `get_infos`, with the same rights."""

from __future__ import annotations

import math
import struct
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.column_replies import unpacked
from tests.examples import examples
from tests.info_texts import TEXTS
from zinfo.errors import BadRequestError, ChangedError, TooLargeError
from zinfo.health.stats import Stats
from zinfo.info.columns import ABSENT, INTEGER, Column
from zinfo.info.parser import parse
from zinfo.query.call import OperationResult, QueryLimits
from zinfo.query.column_reader import ColumnReader
from zinfo.query.id_lists import IdLists
from zinfo.query.operations import Operations
from zinfo.query.servicer import InfoProviderServicer
from zinfo.security.rights import Rights
from zinfo.shards.events import EventLog
from zinfo.shards.registry import ShardPublisher
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.shards.snapshot import Snapshot
from zinfo.wire.codec import unpack
from zinfo.wire.identity import Identity
from zinfo.wire.query_messages import Request

LINES = (
    *(b"a:1", b"a:-7", b"a:0.25", b"a:x", b"a:18446744073709551615", b"a:9223372036854775807"),
    *(b"a:007", b"a:1e+06", b"a:x=1,y=2", b"a:nan", b"a:", b"a:\xff", b"b:2", b"b:2.5", b"b:-0"),
    *(b"c:1,2", b"module:name=x", b"cmdstat_get:calls=1", b"db0:keys=1,expires=0", b"x_id:7"),
    *(b"role:master", b"\xc3\xa9:7", b"# Memory", b"nothing", b"", b"ab:1"),
)
KEYS = ["a", "b", "c", "module", "cmdstat_get", "db0", "x_id", "role", "é", "none", "meta", ""]
ALL = Rights("all")


class Source:
    """Takes the place of a poller that polls nothing."""

    def __init__(self) -> None:
        self.events = EventLog()
        self.revisions = 0
        self.callbacks: list[Any] = []

    def subscribe_snapshots(self, callback: Any) -> None:
        self.callbacks.append(callback)


class Fleet:
    """Operations on shards that a test stores replies of.

    Args:
        limits: of replies.
    """

    def __init__(self, limits: QueryLimits | None = None) -> None:
        self.publisher = ShardPublisher()
        self.source = Source()
        self.servicer = InfoProviderServicer(self.publisher)
        poller: Any = self.source
        self.operations = Operations(
            self.servicer,
            poller,
            stats=Stats(),
            identity=Identity("test"),
            limits=limits or QueryLimits(),
        )

    def add(self, shard_id: str, raw: bytes | None = None, **labels: str) -> RedisShard:
        shard = RedisShard(shard_id, "redis://127.0.0.1:1", labels)
        self.publisher.add_shard(shard)
        if raw is not None:
            self.poll(shard, raw)
        return shard

    def poll(self, shard: RedisShard, raw: bytes, age: float = 0.0) -> None:
        """Store a reply, as the poller does."""
        previous, now = shard.snapshot, time.monotonic() - age
        snapshot = Snapshot(raw, shard.revision + 1, 5.0, now, previous)
        shard.store(snapshot, ops=0)
        for callback in self.source.callbacks:
            callback(shard, previous, snapshot)

    def result(self, keys: object, rights: Rights = ALL, **args: object) -> OperationResult:
        return self.operations.run(Request("get_columns", {"keys": keys, **args}), rights)

    def ask(self, keys: object, rights: Rights = ALL, **args: object) -> dict[str, Any]:
        body: Any = unpack(self.result(keys, rights, **args).body)
        return unpacked(body)

    def pages(self, keys: object, rights: Rights = ALL, **args: object) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: object = None
        while not found or cursor is not None:
            result = self.result(keys, rights, cursor=cursor, **args)
            body: Any = unpack(result.body)
            found.append(unpacked(body))
            cursor = result.extra.get("cursor")
        return found

    def infos(self, keys: list[str], rights: Rights = ALL) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor: object = None
        while not found or cursor is not None:
            request = Request("get_infos", {"keys": keys, "cursor": cursor})
            result = self.operations.run(request, rights)
            body: Any = unpack(result.body)
            found += body
            cursor = result.extra.get("cursor")
            if not found:
                break
        return found


def fleet_of(*raws: bytes | None) -> Fleet:
    fleet = Fleet()
    for number, raw in enumerate(raws):
        fleet.add(f"s{number:03}", raw)
    return fleet


def check_against_infos(fleet: Fleet, keys: list[str], rights: Rights = ALL, **args: Any) -> None:
    """All pages together have what `get_infos` has, and every live shard."""
    pages = fleet.pages(keys, rights, **args)
    ids = [shard_id for page in pages for shard_id in page["ids"]]
    assert ids == list(rights.visible_shards(fleet.publisher.sorted_shard_ids()))
    columns = {
        key: [value for page in pages for value in page["columns"][at]]
        for at, key in enumerate(dict.fromkeys(keys))
    }
    infos = {info["meta"]["shard_identifier"]: info for info in fleet.infos(keys, rights)}
    for at, shard_id in enumerate(ids):
        info = infos.get(shard_id, {})
        for key, column in columns.items():
            expected = None if key == "meta" else info.get(key)
            assert column[at] == expected, (shard_id, key)
            is_number = isinstance(expected, (int, float))
            assert is_number or type(column[at]) is type(expected)


@given(
    st.lists(
        st.none() | st.lists(st.sampled_from(LINES), max_size=6).map(b"\r\n".join), max_size=5
    ),
    st.lists(st.sampled_from(KEYS), min_size=1, max_size=5),
    st.integers(0, 3),
    st.integers(1, 3),
)
@settings(max_examples=examples(400))
def test_all_pages_together_have_the_values_of_get_infos(
    raws: list[bytes | None], keys: list[str], limit: int, times: int
) -> None:
    fleet = fleet_of(*raws)
    for _ in range(times):  # fields that are asked for again are read at the poll
        check_against_infos(fleet, keys, limit=limit)
        for shard, raw in zip(fleet.publisher.get_live_shards(), raws[::-1], strict=True):
            if raw is not None:
                fleet.poll(shard, raw)


def test_every_field_of_a_real_reply_has_the_value_of_get_infos() -> None:
    fleet = fleet_of(*TEXTS.values())
    names = sorted({name for raw in TEXTS.values() for name in parse(raw).fields} - {"meta"})
    for first in range(0, len(names), 64):
        for _ in range(2):
            check_against_infos(fleet, names[first : first + 64])


def test_info_that_a_client_library_parsed_has_the_values_of_get_infos() -> None:
    fleet = fleet_of(b"a:1", None)
    fields: dict[str, Any] = {
        "a": 7,
        "b": 2.5,
        "c": "x",
        "big": 2**64 - 1,
        "flag": True,
        "map": {"keys": 1},
    }
    for _ in range(3):
        fleet.publisher.get_shard("s001").info = fields
        check_against_infos(fleet, [*fields, "none"])
    assert fleet.ask("a")["columns"] == [[1, 7]]


def test_a_body_describes_the_page_and_its_shards() -> None:
    fleet = fleet_of(b"a:1\r\nb:x", None)
    fleet.publisher.get_shard("s000").state = ShardState.BUSY
    body = fleet.ask(["a", "b", "none"])
    assert {key: body[key] for key in ("total", "first", "count", "ids")} == {
        "total": 2,
        "first": 0,
        "count": 2,
        "ids": ["s000", "s001"],
    }
    assert body["ids_revision"] > 0
    assert (body["states"], body["state"]) == (
        ["new", "up", "loading", "busy", "down"],
        ["busy", "new"],
    )
    assert 0 <= body["age"][0] < 60
    assert body["age"][1] == math.inf
    assert body["columns"] == [[1, None], ["x", None], [None, None]]


def test_revisions_say_which_info_the_values_are_from() -> None:
    fleet = fleet_of(b"role:master", None, b"a:1")
    shard = fleet.publisher.get_live_shards()[0]
    fleet.poll(shard, b"role:slave")
    assert "revision" not in fleet.ask(["role"])
    for args in ({}, {"ids_revision": fleet.ask(["role"])["ids_revision"]}):
        body = fleet.ask(["role"], with_revisions=True, **args)
        assert struct.unpack("<3q", body["revision"]) == (2, 0, 1)
        assert struct.unpack("<3d", body["time"]) == (5.0, 0.0, 5.0)
        assert body["columns"] == [["slave", None, None]]
    pages = fleet.pages(["role"], with_revisions=True, limit=2)
    assert [struct.unpack(f"<{page['count']}q", page["revision"]) for page in pages] == [
        (2, 0),
        (1,),
    ]


def test_no_shards_give_empty_columns() -> None:
    body = Fleet().ask("a")
    assert (body["total"], body["count"], body["ids"], body["columns"]) == (0, 0, [], [[]])


def test_the_age_is_never_negative_and_grows() -> None:
    fleet = fleet_of(None, None)
    for age, shard in zip((30.0, -30.0), fleet.publisher.get_live_shards(), strict=True):
        fleet.poll(shard, b"a:1", age)
    first, second = fleet.ask("a")["age"]
    assert 30 <= first < 60
    assert second == 0.0


# --- the list of ids ---


def test_a_client_that_knows_the_list_is_not_sent_it_again() -> None:
    fleet = fleet_of(b"a:1", b"a:2")
    revision = fleet.ask("a")["ids_revision"]
    again = fleet.ask("a", ids_revision=revision)
    assert (again["ids"], again["ids_revision"], again["columns"]) == (None, revision, [[1, 2]])
    assert fleet.ask("a", ids_revision=revision - 1)["ids"] == ["s000", "s001"]


def test_the_revision_changes_with_the_list_only() -> None:
    fleet = fleet_of(b"a:1", b"a:2")
    revision = fleet.ask("a")["ids_revision"]
    fleet.poll(fleet.publisher.get_shard("s000"), b"a:5")
    fleet.publisher.replace_shard(RedisShard("s001", "redis://127.0.0.1:2"))
    fleet.publisher.set_labels("s001", {"dc": "fra"})
    assert fleet.ask("b")["ids_revision"] == revision
    fleet.add("s002")
    changed = fleet.ask("a", ids_revision=revision)
    assert changed["ids_revision"] != revision
    assert changed["ids"] == ["s000", "s001", "s002"]
    fleet.publisher.del_shard("s002")
    assert fleet.ask("a")["ids_revision"] == revision


def test_labels_select_shards_and_have_a_list_of_their_own() -> None:
    fleet = Fleet()
    for number in range(4):
        fleet.add(f"s{number}", b"a:%d" % number, dc=("fra", "ams")[number % 2])
    everything = fleet.ask("a")
    some = fleet.ask("a", labels={"dc": "fra"})
    assert (some["ids"], some["total"], some["columns"]) == (["s0", "s2"], 2, [[0, 2]])
    assert some["ids_revision"] != everything["ids_revision"]
    fleet.publisher.set_labels("s0", {})
    assert fleet.ask("a", labels={"dc": "fra"})["ids"] == ["s2"]
    assert fleet.ask("a", labels={"dc": "none"})["ids"] == []


def test_many_lists_are_not_stored_for_ever() -> None:
    fleet = fleet_of(b"a:1")
    for number in range(100):
        fleet.ask("a", labels={"n": str(number)})
    lists: Any = fleet.operations._run["get_columns"]
    assert len(lists.__self__._lists._cached) <= 16


# --- pages ---


def test_a_page_has_at_most_limit_shards_and_then_a_cursor() -> None:
    fleet = fleet_of(*[b"a:%d" % number for number in range(5)])
    pages = fleet.pages("a", limit=2)
    assert [(page["first"], page["count"], page["total"]) for page in pages] == [
        (0, 2, 5),
        (2, 2, 5),
        (4, 1, 5),
    ]
    assert [page["ids"] for page in pages] == [["s000", "s001"], ["s002", "s003"], ["s004"]]


def test_a_page_is_not_larger_than_allowed() -> None:
    limits = QueryLimits(max_reply_bytes=2000)
    fleet = Fleet(limits)
    for number in range(60):
        fleet.add(f"s{number:03}", b"a:%s\r\nb:1" % (b"x" * (number * 7 % 50)))
    pages = fleet.pages(["a", "b"])
    assert 2 < len(pages) < 30
    for page in pages:
        cursor = f"{page['ids_revision']}.{page['first']}"
        assert len(fleet.result(["a", "b"], cursor=cursor).body) <= 2000
    check_against_infos(fleet, ["a", "b"])


def test_values_of_one_shard_that_fit_no_reply_are_too_large() -> None:
    fleet = Fleet(QueryLimits(max_reply_bytes=2000))
    fleet.add("s0", b"a:" + b"x" * 5000)
    with pytest.raises(TooLargeError, match="request fewer fields with keys"):
        fleet.ask("a")


def test_values_beyond_the_end_of_a_page_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = Fleet(QueryLimits(max_reply_bytes=10_000))
    for number in range(50):
        fleet.add(f"s{number:03}", b"a:%s\r\nb:x" % (b"x" * 3000))
    parsed: list[int] = []
    set_value = Column.set

    def counted(column: Column, position: int, value: Any) -> int:
        parsed.append(position)
        return set_value(column, position, value)

    monkeypatch.setattr(Column, "set", counted)
    assert fleet.ask(["a", "b"])["count"] == 3
    assert len(parsed) < 10


def test_a_list_that_changes_between_two_pages_is_an_error_and_can_be_retried() -> None:
    fleet = fleet_of(b"a:1", b"a:2", b"a:3")
    cursor = fleet.result("a", limit=1).extra["cursor"]
    assert fleet.ask("a", cursor=cursor)["first"] == 1
    fleet.publisher.del_shard("s002")
    with pytest.raises(ChangedError) as caught:
        fleet.ask("a", cursor=cursor)
    assert (caught.value.code, caught.value.retryable) == ("changed", True)


@pytest.mark.parametrize(
    "cursor", ["", "x", "1", "1.", "1.-1", "\u0663.\u0661", "1.1.1", "9" * 5000 + ".1"]
)
def test_a_cursor_of_another_query_is_refused(cursor: str) -> None:
    with pytest.raises(BadRequestError):
        fleet_of(b"a:1").ask("a", cursor=cursor)


def test_a_cursor_beyond_the_list_gives_an_empty_page() -> None:
    fleet = fleet_of(b"a:1")
    body = fleet.ask("a", cursor=f"{fleet.ask('a')['ids_revision']}.999999")
    assert (body["first"], body["count"], body["columns"]) == (1, 0, [[]])


# --- arguments ---


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ({}, "keys is missing: the names of 1 to 64 fields"),
        ({"keys": []}, "keys is missing: the names of 1 to 64 fields"),
        ({"keys": [f"k{number}" for number in range(65)]}, "keys may have 64 items, found 65"),
        ({"keys": [7]}, "keys must be a list of texts"),
        ({"keys": ["a"], "ids_revision": -1}, "ids_revision must be an integer, 0 or more"),
        ({"keys": ["a"], "labels": {"a": 1}}, "labels must be a map of text to text"),
        ({"keys": ["a"], "shard_ids": ["s"]}, "unknown argument: shard_ids"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_arguments_that_are_not_valid_are_refused(args: dict[str, object], problem: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        Fleet().operations.run(Request("get_columns", args))
    assert str(caught.value) == problem


def test_it_is_never_run_at_once() -> None:
    fleet = fleet_of(b"a:1")
    for args in ({"keys": ["a"]}, {"keys": ["a"], "ids": ["s000"]}, {}):
        assert not fleet.operations.is_quick(Request("get_columns", dict(args)))


# --- rights ---


def test_a_client_that_may_call_get_infos_may_call_it() -> None:
    assert Rights("x", operations=frozenset({"get_infos"})).can_call("get_columns")
    assert not Rights("x", operations=frozenset({"shards"})).can_call("get_columns")


def test_a_client_gets_the_shards_that_it_can_see_and_no_sign_of_others() -> None:
    fleet = Fleet()
    fleet.add("cache-1", b"a:1")
    fleet.add("db-1", b"a:0.5")
    rights = Rights("x", shards=("cache-",))
    before = fleet.ask("a", rights)
    assert (before["ids"], before["total"], before["columns"]) == (["cache-1"], 1, [[1]])
    fleet.add("cache-2", b"a:2")
    cursor = fleet.result("a", rights, limit=1).extra["cursor"]
    revision = fleet.ask("a", rights)["ids_revision"]
    fleet.add("db-2", b"a:0.5")
    after = fleet.ask("a", rights)
    assert (after["ids_revision"], after["total"]) == (revision, 2)
    assert fleet.ask("a", rights, cursor=cursor)["ids"] == ["cache-2"]
    assert fleet.ask("a", Rights("none", shards=()))["total"] == 0


def test_a_cursor_and_a_revision_of_other_rights_are_of_no_use() -> None:
    fleet = Fleet()
    for shard_id in ("cache-1", "cache-2", "db-1"):
        fleet.add(shard_id, b"a:1")
    rights = Rights("x", shards=("cache-",))
    everything = fleet.result("a", limit=1)
    body: Any = unpack(everything.body)
    assert fleet.ask("a", rights, ids_revision=body["ids_revision"])["ids"] == [
        "cache-1",
        "cache-2",
    ]
    with pytest.raises(ChangedError):
        fleet.ask("a", rights, cursor=everything.extra["cursor"])


@pytest.mark.parametrize("times", [1, 4], ids=["once", "again and again"])
def test_a_hidden_field_has_no_value_anywhere(times: int) -> None:
    fleet = fleet_of(b"a:1\r\nab:0.5\r\nb:x", b"a:2\r\nb:y")
    rights = Rights("x", hidden_fields=("a*",))
    for _ in range(times):
        assert fleet.ask(["a", "b", "ab"])["columns"][0] == [1, 2]
        for shard in fleet.publisher.get_live_shards():
            fleet.poll(shard, b"a:3\r\nab:0.5\r\nb:z")
            fleet.poll(shard, b"a:%d\r\nab:0.5\r\nb:x" % (1 + (shard.id == "s001")))
        result: Any = unpack(fleet.result(["a", "b", "none", "ab"], rights).body)
        hidden, shown, absent, hidden_too = result["columns"]
        assert hidden == absent == hidden_too
        assert shown["data"] == ["x", "x"]
    check_against_infos(fleet, ["a", "b", "ab"], rights)


# --- fields that are read at the poll ---

CHANGES = ("poll", "add", "remove", "replace", "labels", "state", "library", "ask")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(CHANGES),
            st.integers(0, 3),
            st.sampled_from((b"a:1", b"a:0.5", b"b:7\r\na:x", b"b:2", b"a:1\r\na:2")),
        ),
        min_size=1,
        max_size=12,
    ),
    st.lists(st.sampled_from(("a", "b", "role", "none")), min_size=1, max_size=3, unique=True),
)
@settings(max_examples=examples(100))
def test_columns_have_the_values_of_get_infos_after_each_change(
    changes: list[tuple[str, int, bytes]], keys: list[str]
) -> None:
    fleet = fleet_of(b"a:1\r\nb:2", b"a:3", None)
    for _ in range(2):
        fleet.ask(keys)
    for change, number, raw in changes:
        ident = f"s{number:03}"
        shard = fleet.publisher.find_shard(ident)
        if shard is None:
            fleet.add(ident, raw)
        elif change == "poll":
            fleet.poll(shard, raw)
        elif change == "remove":
            fleet.publisher.del_shard(ident)
        elif change == "replace":
            fleet.publisher.replace_shard(RedisShard(ident, "redis://127.0.0.1:2"))
        elif change == "labels":
            fleet.publisher.set_labels(ident, {"n": raw.decode()})
        elif change == "state":
            shard.state = list(ShardState)[len(raw) % len(ShardState)]
        elif change == "library":
            shard.info = {"a": number, "b": "x"}
        else:
            fleet.ask([("a", "b")[number % 2]])
        check_against_infos(fleet, keys)
        body = fleet.ask(keys)
        shards = fleet.publisher.find_shards(body["ids"])
        assert body["state"] == [one.state.value if one else "?" for one in shards]
        assert [age < math.inf for age in body["age"]] == [bool(s and s.snapshot) for s in shards]


def test_shards_that_change_while_rows_are_filled_are_read_instead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = fleet_of(b"a:1", b"a:2", b"a:3")
    for _ in range(2):
        known = fleet.ask("a")["ids_revision"]  # rows are not filled yet
    fill = fleet.publisher.rows.fill

    def changing(positions: Any, yield_point: Any) -> None:
        fleet.publisher.del_shard("s001")
        fleet.add("s009", b"a:9")  # at the position of the other
        fill(positions, yield_point)

    monkeypatch.setattr(fleet.publisher.rows, "fill", changing)
    assert fleet.ask("a", ids_revision=known)["columns"] == [[1, None, 3]]


def test_positions_of_a_list_are_not_used_after_shards_changed() -> None:
    fleet = fleet_of(b"a:1", b"a:2", b"a:3")
    fleet.publisher.rows.follow(["a"])
    fleet.publisher.rows.fill([0, 1, 2], lambda: None)
    listed = IdLists(fleet.publisher).get(ALL, {}, lambda: None)
    fleet.publisher.del_shard("s001")
    fleet.add("s009", b"a:9")
    column = Column()
    reader = ColumnReader({"a": column}, fleet.publisher, lambda: None)
    reader.read(listed, 0, 3)
    assert list(column.marks) == [INTEGER, ABSENT, INTEGER]


def test_a_field_that_is_requested_again_is_read_at_the_poll() -> None:
    fleet = fleet_of(b"a:1\r\nrole:master", b"b:2", None)
    keys = ["a", "none", "role", "b"]
    rights = Rights("x", hidden_fields=("b",))
    for _ in range(3):
        fleet.ask(keys, rights)
    fields = fleet.publisher.rows.fields
    assert fields is not None
    assert list(fields.places) == ["a"]  # no shard has the second, the third is text
    fleet.poll(fleet.publisher.get_shard("s000"), b"a:5")
    check_against_infos(fleet, keys)


def test_the_pages_of_one_request_count_once() -> None:
    fleet = fleet_of(b"a:1", b"a:2", b"a:3")
    fleet.pages(["a"], limit=1)
    assert fleet.publisher.rows.fields is None
    fleet.pages(["a"], limit=1)
    assert fleet.publisher.rows.fields is not None


# --- work ---


def test_a_shard_that_was_removed_a_moment_ago_has_no_values(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fleet = fleet_of(b"a:1", b"a:2")
    monkeypatch.setattr(fleet.publisher, "find_shards", lambda ids: [None] * len(ids))
    body = fleet.ask("a")
    assert (body["state"], body["columns"]) == (["down", "down"], [[None, None]])


def test_long_work_yields(monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = fleet_of(*[b"a:1\r\nrole:master"] * 2000)
    yields: list[int] = []
    counted = SimpleNamespace(maybe_yield=lambda: yields.append(1))
    monkeypatch.setattr("zinfo.query.operations.CooperativeYield", lambda low_priority: counted)
    for request in (
        {"keys": ["a"]},
        {"keys": ["a", "role"]},
        {"keys": ["none"]},
        {"keys": ["a"], "labels": {"x": "y"}},
    ):
        yields.clear()
        fleet.operations.run(Request("get_columns", dict(request)))
        assert len(yields) >= 3
