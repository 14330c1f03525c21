"""clients/stream.py, with a real daemon, and with a fake one that omits messages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.clients.programs import Running, run
from tests.clients.scripted import ScriptedDaemon
from tests.daemons import RunningDaemon
from tests.servers import RealServer

ODD = "käse ~1/x"  # an id that is percent-encoded in a topic


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    with RealServer() as running:
        yield running


@pytest.fixture(scope="module")
def daemon(server: RealServer) -> Iterator[RunningDaemon]:
    odd = f'[[shards]]\nid = "{ODD}"\nurl = "{server.url}"'
    fast = {"ZINFO_POLL_MAX_INTERVAL": "0.5", "ZINFO_BUS_HEARTBEAT": "2"}
    with RunningDaemon([server.url], config_text=odd, environ=fast) as running:
        running.wait_polled(2)
        yield running


def test_changes_of_all_shards_are_printed_in_sequence(
    daemon: RunningDaemon, server: RealServer
) -> None:
    with Running("stream.py", f"--connect={daemon.query}") as stream:
        stream.until(kind="joined")
        first = stream.until(kind="delta", topic=f"z1/delta/{server.ident}/")
        second = stream.until(kind="delta", topic=f"z1/delta/{server.ident}/")
        assert second["seq"] == first["seq"] + 1 == second["body"]["base"] + 1
        assert set(second["body"]) == {"set", "unset", "base"}


def test_only_the_wanted_shards_and_kinds_are_printed(daemon: RunningDaemon) -> None:
    done = run("stream.py", f"--connect={daemon.query}", "--kind=info", "--count=2", ODD)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line for line in done.stdout.splitlines() if '"joined"' not in line]
    assert len(lines) == 2
    assert all('"topic": "z1/info/k%C3%A4se%20%7E1%2Fx/"' in line for line in lines)
    assert all('"role": "master"' in line for line in lines)


def test_heartbeats_are_printed_on_request(daemon: RunningDaemon) -> None:
    with Running("stream.py", f"--connect={daemon.query}", "--kind=hb") as stream:
        assert stream.until(kind="hb")["body"]["shards"] == 2


def test_events_are_printed_and_the_end_of_the_daemon_is_detected() -> None:
    with (
        RealServer() as victim,
        RunningDaemon([victim.url], environ={"ZINFO_BUS_HEARTBEAT": "1"}) as daemon,
        Running("stream.py", f"--connect={daemon.query}", "--kind=event") as stream,
    ):
        daemon.wait_polled(1)
        stream.until(kind="joined")
        victim.kill()
        down = stream.until(kind="event")["body"]
        while down["type"] != "down":
            down = stream.until(kind="event")["body"]
        assert down["shard"] == victim.ident
        daemon.kill()
        assert stream.end() == (1, "stream.py: stale: no heartbeat for 3 seconds\n")


def test_ctrl_c_ends_it_quietly(daemon: RunningDaemon) -> None:
    with Running("stream.py", f"--connect={daemon.query}") as stream:
        stream.until(kind="joined")
        stream.interrupt()
        assert stream.end() == (130, "")


def test_an_unreachable_daemon_is_reported_in_one_line() -> None:
    done = run("stream.py", "--connect=tcp://127.0.0.1:1", "--timeout=0.2")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "stream.py: nothing answers at tcp://127.0.0.1:1; is a daemon running there?\n"
    )


@pytest.mark.parametrize("arguments", [["--connect=nonsense"], ["--kind=gossip"], ["--count=x"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    done = run("stream.py", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("usage: ")


# --- faults that a real daemon rarely has ---


def test_a_gap_is_printed_once_where_it_occurs() -> None:
    with (
        ScriptedDaemon() as daemon,
        Running("stream.py", f"--connect={daemon.query}", "--kind=info") as stream,
    ):
        fence = daemon.wait_fence()
        daemon.publish("info", "a", 5)
        daemon.publish("info", "b", 1)
        daemon.send(fence, 0, b"")
        daemon.publish("info", "a", 6)
        daemon.publish("info", "a", 9)
        daemon.publish("info", "a", 10)
        kinds = [stream.json() for _ in range(7)]
        assert [line["kind"] for line in kinds] == [
            *("info", "info", "joined", "info", "gap", "info", "info")
        ]
        assert kinds[4] == {"kind": "gap", "topic": "z1/info/a/", "after": 6, "before": 9}


def test_a_restart_is_printed_and_is_no_gap() -> None:
    with (
        ScriptedDaemon() as daemon,
        Running("stream.py", f"--connect={daemon.query}", "--kind=info") as stream,
    ):
        daemon.send(daemon.wait_fence(), 0, b"")
        daemon.publish("info", "a", 50)
        daemon.epoch = 8
        daemon.publish("info", "a", 1)
        daemon.publish("info", "a", 2)
        kinds = [stream.json()["kind"] for _ in range(5)]
        assert kinds == ["joined", "info", "restarted", "info", "info"]


def test_a_shard_that_is_removed_and_added_again_is_no_gap() -> None:
    with (
        ScriptedDaemon() as daemon,
        Running("stream.py", f"--connect={daemon.query}") as stream,
    ):
        daemon.send(daemon.wait_fence(), 0, b"")
        daemon.publish("delta", "a", 5)
        daemon.publish("event", "a", 3, {"type": "removed"})
        daemon.publish("event", "a", 8, {"type": "added"})
        daemon.publish("delta", "a", 9)
        kinds = [stream.json()["kind"] for _ in range(5)]
        assert kinds == ["joined", "delta", "event", "event", "delta"]


def test_the_stream_is_stale_after_three_missed_heartbeats() -> None:
    with (
        ScriptedDaemon(heartbeat=0.5) as daemon,
        Running("stream.py", f"--connect={daemon.query}") as stream,
    ):
        daemon.send(daemon.wait_fence(), 0, b"")
        stream.until(kind="joined")
        assert stream.end() == (1, "stream.py: stale: no heartbeat for 1.5 seconds\n")
