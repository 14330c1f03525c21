"""The stream programs when messages are lost, with a fake daemon that omits some."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.programs import Running
from tests.clients.runtimes import Runtime
from tests.clients.scripted import ScriptedDaemon, entry
from zinfo.wire.bus_messages import topic
from zinfo.wire.codec import pack


@pytest.fixture
def daemon() -> Iterator[ScriptedDaemon]:
    with ScriptedDaemon() as scripted:
        yield scripted


def stream(runtime: Runtime, daemon: ScriptedDaemon, *arguments: str) -> Running:
    return Running("stream", f"--connect={daemon.query}", "--json", *arguments, runtime=runtime)


def delta(base: int, *unset: str, **fields: object) -> dict[str, object]:
    return {"set": fields, "unset": list(unset), "base": base}


def next_line(running: Running) -> tuple[object, ...]:
    """The next line in short: field, old and new value of a change, else update and shard."""
    line = running.json()
    if line["update"] == "change":
        return line["field"], line.get("old", "?"), line["new"]
    return line["update"], line.get("shard")


def test_lost_changes_are_printed_as_a_gap_and_then_fetched_from_the_cache(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    with stream(runtime, daemon) as running:
        daemon.join(entry("a", 5, x=1, y=1, z=1))
        daemon.publish("delta", "a", 6, delta(5, x=2))
        assert next_line(running) == ("x", 1, 2)
        daemon.infos = [entry("a", 10, x=2, y=9, w=4)]
        daemon.publish("delta", "a", 10, delta(9, w=4))
        assert next_line(running) == ("gap", "a")
        assert {next_line(running) for _ in range(3)} == {
            ("y", 1, 9),
            ("z", 1, None),
            ("w", None, 4),
        }
        daemon.publish("delta", "a", 10, delta(9, w=5))  # a duplicate: nothing is printed
        daemon.publish("delta", "a", 11, delta(10, "w", x=3))
        assert {next_line(running) for _ in range(2)} == {("x", 2, 3), ("w", 4, None)}


def test_a_map_that_gains_or_loses_a_pair_is_a_change(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    one, two = {"a": 1}, {"a": 1, "b": 2}
    with stream(runtime, daemon) as running:
        daemon.join(entry("a", 5, x=one))
        daemon.publish("delta", "a", 6, delta(5, x=two))
        daemon.publish("delta", "a", 7, delta(6, x=one))
        assert [next_line(running) for _ in range(2)] == [("x", one, two), ("x", two, one)]


def test_changes_of_a_suspect_shard_wait_for_the_cache_and_others_do_not(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    with stream(runtime, daemon) as running:
        daemon.join(entry("a", 5, x=1))
        daemon.publish("delta", "b", 1, delta(0, x=1))
        assert next_line(running) == ("x", None, 1)
        daemon.infos = [entry("a", 9, x=6)]
        daemon.publish("delta", "a", 8, delta(7, x=4))
        daemon.publish("delta", "a", 9, delta(8, x=6))
        daemon.publish("delta", "b", 2, delta(1, x=2))
        assert next_line(running) == ("gap", "a")
        assert {next_line(running) for _ in range(2)} == {("x", 1, 2), ("x", 1, 6)}


def test_a_shard_that_becomes_suspect_after_another_waits_for_the_cache_too(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    with stream(runtime, daemon) as running:
        daemon.join(entry("a", 5, x=1))
        daemon.publish("delta", "b", 1, delta(0, x=1))
        assert next_line(running) == ("x", None, 1)
        daemon.infos = [entry("a", 9, x=6), entry("b", 5, x=9)]
        daemon.publish("delta", "a", 8, delta(7, x=4))
        daemon.publish("delta", "b", 4, delta(3, x=8))
        lines = {next_line(running) for _ in range(4)}
        assert lines == {("gap", "a"), ("gap", "b"), ("x", 1, 6), ("x", 1, 9)}


def test_lost_events_are_printed_as_a_gap(runtime: Runtime, daemon: ScriptedDaemon) -> None:
    with stream(runtime, daemon) as running:
        daemon.join()
        for seq in (3, 3, 2, 5):  # duplicate and old ones are not printed
            daemon.publish("event", "a", seq, event("a", seq))
        assert [next_line(running) for _ in range(3)] == [
            ("event", "a"),
            ("gap", "a"),
            ("event", "a"),
        ]


def event(shard: str, seq: int, kind: str = "busy") -> dict[str, object]:
    start = {"shard": shard, "type": kind, "old": "up", "new": "busy", "reason": "", "message": ""}
    return {**start, "number": seq, "seq": seq, "time": 1.0}


def test_totals_reveal_gaps_that_sequence_numbers_cannot(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
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
        lines = [next_line(running) for _ in range(4)]
        assert lines == [("x", 1, 2), ("event", "a"), ("gap", None), ("gap", None)]
        daemon.wait_requests(3)
        daemon.publish("delta", "b", 2, delta(1, x=7))
        assert next_line(running) == ("x", 1, 7)


def test_a_repeated_fence_is_no_gap_if_the_totals_agree(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    with stream(runtime, daemon) as running:
        fence = daemon.join(entry("a", 5, x=1))
        daemon.beat(fence, 0)
        daemon.publish("delta", "a", 6, delta(5, x=2))
        assert next_line(running) == ("x", 1, 2)
        daemon.revisions = 7
        daemon.infos = [entry("a", 12, x=3)]
        daemon.beat(fence, 0)
        assert next_line(running) == ("gap", None)
        assert next_line(running) == ("x", 2, 3)


def test_a_repeated_fence_is_a_gap_if_totals_cannot_be_compared(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    with stream(runtime, daemon, "a") as running:
        fence = daemon.join(entry("a", 5, x=1))
        daemon.infos = [entry("a", 6, x=2)]
        daemon.beat(fence, 0)
        assert [next_line(running) for _ in range(3)] == [("gap", None), ("gap", None), ("x", 1, 2)]


def test_a_shard_that_is_removed_and_added_again_is_no_gap(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    with stream(runtime, daemon) as running:
        daemon.join(entry("a", 5, x=1))
        daemon.publish("delta", "a", 6, delta(5, x=2))
        daemon.publish("event", "a", 3, event("a", 3, "removed"))
        daemon.publish("event", "a", 8, event("a", 8, "added"))
        daemon.publish("delta", "a", 19, delta(0, x=2))
        assert [next_line(running) for _ in range(4)] == [
            *(("x", 1, 2), ("event", "a"), ("event", "a"), ("x", None, 2))
        ]


def test_an_undecodable_message_is_reported_and_counts_as_missing(
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
        assert [next_line(running) for _ in range(3)] == [("x", 1, 2), ("gap", "a"), ("x", 2, 4)]
        running.interrupt()
        code, stderr = running.end()
        assert code == 130
        notes = stderr.splitlines()
        assert len(notes) == 3
        assert all(line.startswith("a bus message could not be decoded: ") for line in notes)


def test_messages_of_another_epoch_are_printed_as_stale_and_restart(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    with stream(runtime, daemon) as running:
        daemon.join(entry("a", 50, x=1))
        daemon.epoch = 8
        daemon.publish("delta", "a", 1, delta(0, x=5))
        assert next_line(running) == ("stale", None)
        requests = daemon.requests
        daemon.infos = [entry("a", 1, x=5)]
        daemon.beat(daemon.wait_fence(), 0)
        assert next_line(running) == ("restart", None)
        daemon.wait_requests(requests + 2)
        daemon.publish("delta", "a", 2, delta(1, x=6))
        assert next_line(running) == ("x", 5, 6)


def test_after_missed_heartbeats_the_cache_is_fetched_if_totals_cannot_be_compared(
    runtime: Runtime,
) -> None:
    with ScriptedDaemon(heartbeat=1.0) as daemon, stream(runtime, daemon, "a") as running:
        daemon.join(entry("a", 5, x=1))
        assert next_line(running) == ("stale", None)
        daemon.infos = [entry("a", 6, x=2)]
        daemon.beat(daemon.wait_fence(), 0)
        lines = [next_line(running) for _ in range(4)]
        assert lines == [("again", None), ("gap", None), ("gap", None), ("x", 1, 2)]


def test_a_missing_fence_is_requested_again_with_a_new_nonce(runtime: Runtime) -> None:
    with (
        ScriptedDaemon(heartbeat=1.0) as daemon,
        stream(runtime, daemon, "--timeout=60") as running,
    ):
        first = daemon.wait_fence()
        second = daemon.join(entry("a", 5, x=1))
        assert second != first
        daemon.publish("delta", "a", 6, delta(5, x=2))
        assert next_line(running) == ("x", 1, 2)


def test_an_unreadable_cache_is_reported_and_the_stream_continues(
    runtime: Runtime, daemon: ScriptedDaemon
) -> None:
    with stream(runtime, daemon, "--timeout=3") as running:
        daemon.join(entry("a", 5, x=1))
        daemon.publish("delta", "a", 6, delta(5, x=2))
        daemon.mute = True
        daemon.publish("delta", "a", 9, delta(8, x=4))
        assert [next_line(running) for _ in range(2)] == [("x", 1, 2), ("gap", "a")]
        daemon.wait_requests(3)
        daemon.publish("delta", "a", 10, delta(9, x=5))  # arrives while it waits for the cache
        assert next_line(running) == ("x", "?", 5)
        daemon.mute = False
        daemon.infos = [entry("a", 13, x=6, y=1)]
        daemon.publish("delta", "a", 13, delta(12, x=6))
        assert next_line(running) == ("gap", "a")
        assert next_line(running) == ("x", 5, 6)
        daemon.publish("delta", "a", 14, delta(13, y=2))
        assert next_line(running) == ("y", 1, 2)
        running.interrupt()
        code, stderr = running.end()
        assert code == 130
        assert stderr.startswith("the daemon's cache could not be read: nothing answers at ")


@pytest.mark.parametrize("announced", ["0.0.0.0", "[::]"])
def test_for_a_bus_at_a_wildcard_address_the_host_of_the_query_endpoint_is_used(
    runtime: Runtime, announced: str
) -> None:
    with (
        ScriptedDaemon(host="127.0.0.2", announced=announced) as daemon,
        stream(runtime, daemon) as running,
    ):
        daemon.join(entry("a", 5, x=1))
        daemon.publish("delta", "a", 6, delta(5, x=2))
        assert next_line(running) == ("x", 1, 2)
