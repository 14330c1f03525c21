"""What is stored: values, identities and heartbeats; and the rule by which a reader decides."""

from __future__ import annotations

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients.nats_follow import Shards, unpack
from tests.examples import examples
from zinfo.client.updates import Delta
from zinfo.sinks.nats.values import (
    MAX_LISTED,
    Copy,
    DaemonReport,
    Heartbeat,
    delta_message,
    event_message,
    former_heartbeat,
    identity_from,
    listed,
)
from zinfo.wire.lifecycle import Event

COPY = Copy(
    shard="db-1:6379",
    node="n",
    epoch=7,
    revision=3,
    time=1.5,
    state="up",
    reason="",
    labels={"env": "prod"},
    info=msgpack.packb({"role": "master"}),
)


def test_a_value_has_the_shard_its_version_its_state_and_the_info() -> None:
    value, whole = COPY.value("zinfo", 10_000)
    assert whole
    assert msgpack.unpackb(value) == {
        "shard": "db-1:6379",
        "node": "n",
        "epoch": 7,
        "revision": 3,
        "time": 1.5,
        "state": "up",
        "reason": "",
        "labels": {"env": "prod"},
        "sink": "zinfo",
        "info": {"role": "master"},
    }


def test_a_value_that_is_too_large_for_the_server_has_no_info() -> None:
    value, whole = COPY.value("zinfo", len(COPY.value("zinfo", 10_000)[0]) - 1)
    assert not whole
    found = msgpack.unpackb(value)
    assert (found["revision"], found["info"]) == (3, None)


@pytest.mark.parametrize(
    "change",
    [
        {"node": "m"},
        {"epoch": 8},
        {"revision": 4},
        {"state": "busy"},
        {"reason": "timeout"},
        {"labels": {}},
    ],
)
def test_another_version_or_state_is_another_identity(change: dict[str, object]) -> None:
    fields = {name: getattr(COPY, name) for name in COPY.__slots__}
    other = Copy(**(fields | change))
    assert other.identity("zinfo") != COPY.identity("zinfo")


def test_an_identity_comes_back_from_its_headers() -> None:
    identity = COPY.identity("sink of r.ü")
    assert identity_from(identity.headers()) == identity
    assert all(value.isascii() for value in identity.headers().values())
    for name in identity.headers():
        assert identity_from({**identity.headers(), name: "=!"}) is None or name == "Zinfo-Status"
    assert identity_from(None) is None


def test_deltas_and_events_have_their_version_in_headers() -> None:
    payload, headers = delta_message(Delta("a", 5, 4, 1.0, {"x": 1}, ("y",)), "n", 9)
    assert headers == {
        "Zinfo-Node": "n",
        "Zinfo-Epoch": "9",
        "Zinfo-Revision": "5",
        "Zinfo-Base": "4",
    }
    assert msgpack.unpackb(payload)["unset"] == ["y"]
    _, headers = event_message(Event("a", "up", "new", "up", "", "", 12, 1, 1.0), "n", 9)
    assert headers["Nats-Msg-Id"] == "9-12"


def beat(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "sink": "zinfo",
        "run": 1,
        "beat": 1,
        "time": 0.0,
        "interval": 1.0,
        "lag": 3.0,
        "complete": True,
        "shards": 1,
        "stale": [],
        "daemons": (DaemonReport("n", 7, True),),
        "events": {"n": (7, 12)},
    }
    return Heartbeat(**(fields | changes)).pack()  # type: ignore[arg-type]  # of any field


def test_a_successor_reads_the_heartbeat() -> None:
    found = former_heartbeat(beat(ended=True))
    assert found is not None
    assert found.ended
    assert found.events == {"n": (7, 12)}


@given(
    st.binary(max_size=60)
    | st.recursive(st.none() | st.text(max_size=5), st.lists).map(msgpack.packb)
)
@settings(max_examples=examples(100))
def test_what_is_no_heartbeat_is_ignored(packed: bytes) -> None:
    assert former_heartbeat(packed) is None


def test_more_stale_shards_than_a_heartbeat_lists_make_all_stale() -> None:
    assert listed({"b", "a"}) == ["a", "b"]
    assert listed({str(number) for number in range(MAX_LISTED + 1)}) is None


# --- the reader


def reader() -> Shards:
    shards = Shards()
    shards.on_entry("sink.zinfo", beat(), 99.0)
    shards.on_entry("shard.db-1=3A6379", COPY.value("zinfo", 10_000)[0], 99.0)
    shards.on_ready()
    return shards


def test_a_stored_heartbeat_makes_nothing_fresh_as_its_sink_may_be_gone() -> None:
    assert not reader().fresh("db-1:6379", 99.0)


def test_a_value_is_fresh_for_three_intervals_after_a_heartbeat() -> None:
    shards = reader()
    shards.on_entry("sink.zinfo", beat(beat=2), 100.0)
    assert shards.fresh("db-1:6379", 103.0)
    assert shards.complete(103.0)
    assert not shards.fresh("db-1:6379", 103.1)


@pytest.mark.parametrize(
    "change", [{"stale": ["db-1:6379"]}, {"stale": None}, {"ended": True}, {"sink": "other"}]
)
def test_a_heartbeat_can_make_a_value_stale(change: dict[str, object]) -> None:
    shards = reader()
    key = f"sink.{change.get('sink', 'zinfo')}"
    shards.on_entry(key, beat(beat=2, **change), 100.0)
    assert not shards.fresh("db-1:6379", 100.0)


def test_the_bucket_read_again_makes_all_stale_and_drops_what_is_gone() -> None:
    shards = reader()
    shards.on_entry("sink.zinfo", beat(beat=2), 100.0)
    shards.start()
    assert not shards.fresh("db-1:6379", 100.0)
    shards.on_ready()
    assert not shards.values


def test_an_older_value_of_the_same_run_is_ignored() -> None:
    shards = reader()
    fields = {name: getattr(COPY, name) for name in COPY.__slots__}
    older = Copy(**(fields | {"revision": 2}))
    assert shards.on_entry("shard.db-1=3A6379", older.value("zinfo", 10_000)[0], 100.0) is None
    assert shards.values["db-1:6379"]["revision"] == 3
    other = Copy(**(fields | {"revision": 1, "epoch": 8}))
    assert shards.on_entry("shard.db-1=3A6379", other.value("zinfo", 10_000)[0], 100.0)
    assert shards.values["db-1:6379"]["revision"] == 1


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=40)
    | st.binary(max_size=40),
    lambda inner: st.lists(inner, max_size=20) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=20,
)


@given(VALUES)
@settings(max_examples=examples(100))
def test_the_client_decodes_msgpack(value: object) -> None:
    assert unpack(msgpack.packb(value)) == value
