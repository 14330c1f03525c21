"""Recordings of a real daemon that restarts, and by a recorder that is killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.daemons import RunningDaemon
from tests.recording.replaying import SMALL_BLOCKS, Running
from tests.recording.test_incident import QUICK
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.client import Client, Delta, Gap, Mirror, Restart, Stale
from zinfo.recording import Moment, Recording, Segment


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    """The first server of the daemon."""
    with RealServer() as server:
        yield server


@pytest.fixture(scope="module")
def daemon(server: RealServer) -> Iterator[RunningDaemon]:
    """One daemon for all tests of this module; each leaves it running."""
    environ = {**QUICK, "ZINFO_BUS_HEARTBEAT": "0.5"}  # it is silent after 1.5 seconds
    with RealServer() as other, RunningDaemon([server.url, other.url], environ=environ) as daemon:
        daemon.wait_polled(2)
        yield daemon


def read(path: Path) -> list[Moment]:
    if not path.exists():
        return []
    with Recording(path) as recording:
        return list(recording)


def last_revision(path: Path, server: RealServer) -> int:
    """The revision of the last delta of a server."""
    deltas = [one.update for one in read(path) if isinstance(one.update, Delta)]
    return [delta.revision for delta in deltas if delta.shard == server.ident][-1]


def kinds(path: Path) -> list[str]:
    """The types of updates in a recording, without repetitions."""
    found: list[str] = []
    for moment in read(path):
        name = type(moment.update).__name__
        if name in {"Segment", "Gap", "Stale", "Restart"} or found[-1] != name == "Delta":
            found.append(name)
    return found


def test_a_restart_of_the_daemon_is_recorded_and_replayed(
    daemon: RunningDaemon, tmp_path: Path, server: RealServer
) -> None:
    path = tmp_path / "a.zrec"
    with Running("record", path, daemon=daemon, before=SMALL_BLOCKS) as recording:
        wait_until(lambda: read(path), 60.0, "the recorder")
        daemon.terminate()
        wait_until(lambda: "Stale" in kinds(path), 60.0, "the silence")
        daemon.start()
        wait_until(lambda: kinds(path).count("Segment") >= 2, 60.0, "the second segment")
        wait_until(lambda: kinds(path)[-1] == "Delta", 60.0, "what follows its shards")
        assert recording.interrupt() == 0, recording.errors
        (report,) = recording.said
    assert report["spans"] == 2
    assert report["restarts"] == 1
    moments = [moment.update for moment in read(path)]
    first, second = (one for one in moments if isinstance(one, Segment))
    assert first.epoch != second.epoch
    breaks = [one for one in moments if isinstance(one, (Gap, Stale, Restart))]
    assert [type(one) for one in breaks][-1] is Restart
    assert any(isinstance(one, Stale) for one in breaks)

    epochs: list[int | None] = []
    with Running("replay", path, "--speed=2", "--wait") as replay:
        query = replay.wait_reported("ready")["query"]
        with Mirror(query, on_change=lambda _shard, _change: epochs.append(mirror.epoch)) as mirror:
            mirror.wait_ready(60)
            replay.wait_reported("restart")
            replay.wait_reported("end")
            wait_until(lambda: len(set(epochs)) == 2, 60.0, "another epoch")
            mirror.wait_ready(60)
            last = last_revision(path, server)
            wait_until(lambda: mirror.revision(server.ident) == last, 60.0, "the last revision")


def test_after_a_kill_recording_continues_in_the_same_file(
    daemon: RunningDaemon, tmp_path: Path, server: RealServer
) -> None:
    path = tmp_path / "a.zrec"
    with Running("record", path, daemon=daemon, before=SMALL_BLOCKS) as recording:
        wait_until(lambda: len(read(path)) > 5, 60.0, "a block")
        recording.process.kill()
        recording.process.wait(60)
    before = read(path)
    with path.open("ab") as file:
        file.write(b"ZIB\n\0 what a block begins with")
    with Running("record", path, "--seconds=1", daemon=daemon) as recording:
        assert recording.process.wait(60) == 0, recording.errors
        assert "bytes of an incomplete block were removed" in recording.errors
        (report,) = recording.said
    assert report["ended"] == "seconds"
    assert report["seconds"] >= 1.0
    moments = read(path)
    assert moments[: len(before)] == before
    stale, segment = moments[len(before) : len(before) + 2]
    assert isinstance(stale.update, Stale)
    assert stale.update.reason == "nothing was recorded here"
    assert stale.wall == pytest.approx(before[-1].wall, abs=0.1)
    assert isinstance(segment.update, Segment)
    with Running("replay", path, "--speed=max") as replay:
        query = replay.wait_reported("ready")["query"]
        replay.wait_reported("end")
        with Client(query) as client:
            (there,) = client.shards([server.ident])
            assert there["revision"] == last_revision(path, server)


def test_a_mirror_of_the_replay_notices_the_recorded_gap(
    daemon: RunningDaemon, tmp_path: Path, server: RealServer
) -> None:
    path = tmp_path / "a.zrec"
    with Running("record", path, "--seconds=1", daemon=daemon) as recording:
        assert recording.process.wait(60) == 0, recording.errors
    recorded = last_revision(path, server)
    with Client(daemon.query) as client:
        wait_until(
            lambda: client.snapshot([server.ident])[0]["revision"] > recorded,
            60.0,
            "a poll between",
        )
    with Running("record", path, "--seconds=1", daemon=daemon) as recording:
        assert recording.process.wait(60) == 0, recording.errors
    segments = [one.update for one in read(path) if isinstance(one.update, Segment)]
    assert segments[0].epoch == segments[1].epoch
    (entry,) = (one for one in segments[1].entries if one.shard == server.ident)
    assert entry.revision > recorded
    # However long the second recorder took to start, the replay is silent for 2.5 seconds at most:
    # a mirror that misses three heartbeats joins again.
    with Running("replay", path, "--speed=4", "--wait") as replay:
        query = replay.wait_reported("ready")["query"]
        with Mirror(query) as mirror:
            mirror.wait_ready(60)
            assert mirror.counters["gaps"] == 0
            replay.wait_reported("stale")
            replay.wait_reported("end")
            wait_until(lambda: mirror.counters["gaps"] > 0, 60.0, "the gap to be seen")
            last = last_revision(path, server)
            wait_until(lambda: mirror.revision(server.ident) == last, 60.0, "the last revision")
            mirror.wait_ready(60)
            assert mirror.counters["joins"] == 1  # the daemon was the same


def test_a_single_recorded_shard_is_replayed_alone(
    daemon: RunningDaemon, server: RealServer, tmp_path: Path
) -> None:
    path = tmp_path / "a.zrec"
    options = (f"--shard={server.ident}", "--seconds=1")
    with Running("record", path, *options, daemon=daemon) as recording:
        assert recording.process.wait(60) == 0, recording.errors
        assert recording.said[0]["shards"] == 1
        assert recording.said[0]["spans"] == 1
    with Running("replay", path, "--wait") as replay:
        query = replay.wait_reported("ready")["query"]
        with Mirror(query) as mirror:
            mirror.wait_ready(60)
            replay.wait_reported("end")
            last = last_revision(path, server)
            wait_until(lambda: mirror.revision(server.ident) == last, 60.0, "the last revision")
            mirror.wait_ready(60)
            assert list(mirror) == [server.ident]
            assert mirror.counters["gaps"] == 0  # the other shard's messages do not count as lost
