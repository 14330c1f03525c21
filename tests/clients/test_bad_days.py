"""What the streams do when messages are lost: against a daemon that loses some on purpose."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.programs import Running
from tests.clients.runtimes import Runtime
from tests.clients.scripted import ScriptedDaemon, entry
from zinfo.wire.bus_messages import topic
from zinfo.wire.codec import pack

PATIENCE = 5.0
"""Seconds between two heartbeats that never come; three of them are more than these tests take."""


@pytest.fixture
def daemon() -> Iterator[ScriptedDaemon]:
    with ScriptedDaemon(heartbeat=PATIENCE) as scripted:
        yield scripted


def stream(runtime: Runtime, daemon: ScriptedDaemon, *arguments: str) -> Running:
    return Running("stream", f"--connect={daemon.query}", "--json", *arguments, runtime=runtime)


def delta(base: int, *unset: str, **fields: object) -> dict[str, object]:
    return {"set": fields, "unset": list(unset), "base": base}


def told(running: Running) -> tuple[object, ...]:
    """The next line, in short: of a change field, old and new value, else what it is about."""
    line = running.json()
    if line["update"] == "change":
        return line["field"], line.get("old", "?"), line["new"]
    return line["update"], line.get("shard")


def test_changes_that_were_lost_are_told_as_a_gap_and_then_by_the_cache(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    with stream(runtime, daemon) as running:
        daemon.join(entry("a", 5, x=1, y=1, z=1))
        daemon.publish("delta", "a", 6, delta(5, x=2))
        assert told(running) == ("x", 1, 2)
        daemon.infos = [entry("a", 10, x=2, y=9, w=4)]
        daemon.publish("delta", "a", 10, delta(9, w=4))
        assert told(running) == ("gap", "a")
        assert {told(running) for _ in range(3)} == {("y", 1, 9), ("z", 1, None), ("w", None, 4)}
        daemon.publish("delta", "a", 10, delta(9, w=5))  # it is old: nothing comes of it
        daemon.publish("delta", "a", 11, delta(10, "w", x=3))
        assert {told(running) for _ in range(2)} == {("x", 2, 3), ("w", 4, None)}


def test_a_map_that_gains_or_loses_a_pair_is_a_change(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    one, two = {"a": 1}, {"a": 1, "b": 2}
    with stream(runtime, daemon) as running:
        daemon.join(entry("a", 5, x=one))
        daemon.publish("delta", "a", 6, delta(5, x=two))
        daemon.publish("delta", "a", 7, delta(6, x=one))
        assert [told(running) for _ in range(2)] == [("x", one, two), ("x", two, one)]


def test_changes_of_a_doubtful_shard_wait_for_the_cache_and_others_do_not(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    with stream(runtime, daemon) as running:
        daemon.join(entry("a", 5, x=1))
        daemon.publish("delta", "b", 1, delta(0, x=1))
        assert told(running) == ("x", None, 1)
        daemon.infos = [entry("a", 9, x=6)]
        daemon.publish("delta", "a", 8, delta(7, x=4))
        daemon.publish("delta", "a", 9, delta(8, x=6))
        daemon.publish("delta", "b", 2, delta(1, x=2))
        assert told(running) == ("gap", "a")
        assert {told(running) for _ in range(2)} == {("x", 1, 2), ("x", 1, 6)}


def test_a_shard_that_becomes_doubtful_after_another_waits_for_the_cache_too(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    with stream(runtime, daemon) as running:
        daemon.join(entry("a", 5, x=1))
        daemon.publish("delta", "b", 1, delta(0, x=1))
        assert told(running) == ("x", None, 1)
        daemon.infos = [entry("a", 9, x=6), entry("b", 5, x=9)]
        daemon.publish("delta", "a", 8, delta(7, x=4))
        daemon.publish("delta", "b", 4, delta(3, x=8))
        lines = {told(running) for _ in range(4)}
        assert lines == {("gap", "a"), ("gap", "b"), ("x", 1, 6), ("x", 1, 9)}


def test_events_that_were_lost_are_told_as_a_gap(runtime: Runtime, daemon: ScriptedDaemon) -> None:
    with stream(runtime, daemon) as running:
        daemon.join()
        for seq in (3, 3, 2, 5):  # of those that are old nothing comes
            daemon.publish("event", "a", seq, event("a", seq))
        assert [told(running) for _ in range(3)] == [("event", "a"), ("gap", "a"), ("event", "a")]


def event(shard: str, seq: int, kind: str = "busy") -> dict[str, object]:
    start = {"shard": shard, "type": kind, "old": "up", "new": "busy", "reason": "", "message": ""}
    return {**start, "number": seq, "seq": seq, "time": 1.0}


def test_totals_tell_what_no_sequence_tells(runtime: Runtime, daemon: ScriptedDaemon) -> None:
    daemon.revisions, daemon.events = 20, 3
    with stream(runtime, daemon) as running:
        daemon.join(entry("a", 5, x=1))
        daemon.publish("delta", "a", 6, delta(5, x=2))
        daemon.publish("event", "a", 4, event("a", 4))
        daemon.revisions, daemon.events = 21, 4
        daemon.beat(seq=1)
        daemon.revisions = 22  # of another shard, perhaps
        daemon.infos = [entry("a", 6, x=2), entry("b", 1, x=1)]
        daemon.beat(seq=2)
        daemon.events = 6
        daemon.beat(seq=3)
        told_so_far = [told(running) for _ in range(4)]
        assert told_so_far == [("x", 1, 2), ("event", "a"), ("gap", None), ("gap", None)]
        daemon.wait_requests(3)
        daemon.publish("delta", "b", 2, delta(1, x=7))
        assert told(running) == ("x", 1, 7)


def test_a_fence_that_comes_again_is_no_gap_where_the_totals_agree(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    with stream(runtime, daemon) as running:
        fence = daemon.join(entry("a", 5, x=1))
        daemon.beat(fence, 0)
        daemon.publish("delta", "a", 6, delta(5, x=2))
        assert told(running) == ("x", 1, 2)
        daemon.revisions = 7
        daemon.infos = [entry("a", 12, x=3)]
        daemon.beat(fence, 0)
        assert told(running) == ("gap", None)
        assert told(running) == ("x", 2, 3)


def test_a_fence_that_comes_again_is_a_gap_where_no_total_can_tell(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    with stream(runtime, daemon, "a") as running:
        fence = daemon.join(entry("a", 5, x=1))
        daemon.infos = [entry("a", 6, x=2)]
        daemon.beat(fence, 0)
        assert [told(running) for _ in range(3)] == [("gap", None), ("gap", None), ("x", 1, 2)]


def test_a_shard_that_went_and_came_back_is_no_gap(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    with stream(runtime, daemon) as running:
        daemon.join(entry("a", 5, x=1))
        daemon.publish("delta", "a", 6, delta(5, x=2))
        daemon.publish("event", "a", 3, event("a", 3, "removed"))
        daemon.publish("event", "a", 8, event("a", 8, "added"))
        daemon.publish("delta", "a", 19, delta(0, x=2))
        assert [told(running) for _ in range(4)] == [
            *(("x", 1, 2), ("event", "a"), ("event", "a"), ("x", None, 2))
        ]


def test_a_message_that_cannot_be_read_is_noted_and_then_missing(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    with stream(runtime, daemon) as running:
        daemon.join(entry("a", 5, x=1))
        daemon.publish("delta", "a", 6, delta(5, x=2))
        daemon.send(topic("delta", "a"), 7, b"\xc1")
        daemon.publish("delta", "a", 7, [1, 2])
        daemon.send(b"z1/delta/a", 7, pack(delta(6, x=3)))
        daemon.infos = [entry("a", 8, x=4)]
        daemon.publish("delta", "a", 8, delta(7, x=4))
        assert [told(running) for _ in range(3)] == [("x", 1, 2), ("gap", "a"), ("x", 2, 4)]
        running.interrupt()
        code, said = running.end()
        assert code == 130
        noted = said.splitlines()
        assert len(noted) == 3
        assert all(line.startswith("a message of the bus could not be read: ") for line in noted)


def test_messages_of_another_epoch_are_stale_and_a_restart(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    with stream(runtime, daemon) as running:
        daemon.join(entry("a", 50, x=1))
        daemon.epoch = 8
        daemon.publish("delta", "a", 1, delta(0, x=5))
        assert told(running) == ("stale", None)
        asked = daemon.requests
        daemon.infos = [entry("a", 1, x=5)]
        daemon.beat(daemon.wait_fence(), 0)
        assert told(running) == ("restart", None)
        daemon.wait_requests(asked + 2)
        daemon.publish("delta", "a", 2, delta(1, x=6))
        assert told(running) == ("x", 5, 6)


def test_after_silence_the_cache_is_asked_where_no_total_can_tell(runtime: Runtime) -> None:
    with ScriptedDaemon(heartbeat=0.7) as daemon, stream(runtime, daemon, "a") as running:
        daemon.join(entry("a", 5, x=1))
        assert told(running) == ("stale", None)
        daemon.infos = [entry("a", 6, x=2)]
        daemon.beat(daemon.wait_fence(), 0)
        lines = [told(running) for _ in range(4)]
        assert lines == [("again", None), ("gap", None), ("gap", None), ("x", 1, 2)]


def test_a_fence_that_does_not_come_is_asked_for_with_a_new_nonce(runtime: Runtime) -> None:
    with ScriptedDaemon(heartbeat=0.5) as daemon, stream(runtime, daemon, "--timeout=9") as running:
        first = daemon.wait_fence()
        second = daemon.join(entry("a", 5, x=1))
        assert second != first
        daemon.publish("delta", "a", 6, delta(5, x=2))
        assert told(running) == ("x", 1, 2)


def test_a_cache_that_cannot_be_read_is_noted_and_the_stream_goes_on(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    with stream(runtime, daemon, "--timeout=1") as running:
        daemon.join(entry("a", 5, x=1))
        daemon.publish("delta", "a", 6, delta(5, x=2))
        daemon.mute = True
        daemon.publish("delta", "a", 9, delta(8, x=4))
        assert [told(running) for _ in range(2)] == [("x", 1, 2), ("gap", "a")]
        daemon.wait_requests(3)
        daemon.publish("delta", "a", 10, delta(9, x=5))  # comes while it waits for the cache
        assert told(running) == ("x", "?", 5)
        daemon.mute = False
        daemon.infos = [entry("a", 13, x=6, y=1)]
        daemon.publish("delta", "a", 13, delta(12, x=6))
        assert told(running) == ("gap", "a")
        assert told(running) == ("x", 5, 6)
        daemon.publish("delta", "a", 14, delta(13, y=2))
        assert told(running) == ("y", 1, 2)
        running.interrupt()
        code, said = running.end()
        assert code == 130
        assert said.startswith("the daemon's cache could not be read: nothing answers at ")


@pytest.mark.parametrize("tells", ["0.0.0.0", "[::]"])
def test_a_bus_at_all_addresses_is_looked_for_where_the_queries_are(
    runtime: Runtime, tells: str
) -> None:
    with (
        ScriptedDaemon(PATIENCE, host="127.0.0.2", tells=tells) as daemon,
        stream(runtime, daemon) as running,
    ):
        daemon.join(entry("a", 5, x=1))
        daemon.publish("delta", "a", 6, delta(5, x=2))
        assert told(running) == ("x", 1, 2)
