"""`zinfo record` and `zinfo replay`: output and exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import zmq

from tests.cli.running import QUICK, environment, invoke, zinfo
from tests.daemons import ROOT, RunningDaemon
from tests.recording.building import WALL, entry, segment, small, write
from tests.recording.replaying import Running
from tests.servers import RealServer, free_port
from tests.waiting import wait_until
from zinfo.client import Client, Delta, Restart, Subscriber
from zinfo.client.decoding import parse_message
from zinfo.recording import Recording, Segment
from zinfo.recording.frames import BREAK, Frame
from zinfo.wire.bus_messages import KIND_DELTA, KIND_HEARTBEAT, topic
from zinfo.wire.codec import pack


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    """One daemon for all tests of this module."""
    with RealServer() as server, RunningDaemon([server.url], environ=QUICK) as running:
        running.wait_polled(1)
        yield running


def nowhere() -> str:
    return f"--connect=tcp://127.0.0.1:{free_port()}"


def test_without_a_daemon_no_file_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.zrec"
    done = zinfo("record", str(path), nowhere(), "--timeout", "0.5")
    assert done.returncode == 1
    assert "nothing answers at tcp://127.0.0.1:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not path.exists()


def test_ctrl_c_before_the_first_segment_has_its_own_exit_code(tmp_path: Path) -> None:
    path = tmp_path / "a.zrec"
    with Running("record", path, nowhere(), "--timeout", "60") as command:
        wait_until(path.exists, 60.0, "the file")
        assert command.interrupt() == 130
    assert not path.exists()


@pytest.mark.parametrize("command", ["record", "replay"])
def test_a_file_that_is_not_a_recording_is_refused(tmp_path: Path, command: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("buy milk\n")
    arguments = [nowhere()] if command == "record" else []
    done = invoke(command, str(path), *arguments)
    assert done.exit_code == 1
    assert "notes.txt: not a recording of zinfo" in done.output
    assert path.read_text() == "buy milk\n"


def test_a_recording_without_a_complete_segment_cannot_be_replayed(tmp_path: Path) -> None:
    path = tmp_path / "a.zrec"
    path.write_bytes(small(tmp_path / "b.zrec").read_bytes()[:100])
    done = zinfo("replay", str(path))
    assert done.returncode == 1
    assert done.stderr == f"Error: {path}: it contains no complete segment\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--speed", "0.5"], "slower than recorded"),
        (["--speed", "fast"], "expected a number of at least 1, or max"),
        (["--from", "yesterday"], "is not a time"),
        (["--from", "20", "--to", "10"], "--to is not after --from"),
        (["--from", "1:00:00"], "--from is after the end"),
        (["--query", "tcp://0.0.0.0:9736"], "other machines can reach that address"),
        (["--bus", "http://localhost"], "its scheme is not supported"),
        (["--loop", "--exit"], "--loop never reaches the end"),
    ],
)
def test_wrong_usage_of_replay_is_reported_in_one_line(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    path = small(tmp_path / "a.zrec")
    done = invoke("replay", str(path), *arguments)
    assert done.exit_code == 2
    assert words in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max-size", "much"], "is not a size"),
        (["--max-size", "1k"], "too small for a recording"),
        (["--seconds", "0"], "0"),
        ([f"--shard={number}" for number in range(201)], "at most 200"),
    ],
)
def test_wrong_usage_of_record_is_reported_in_one_line(
    tmp_path: Path, arguments: list[str], words: str
) -> None:
    done = invoke("record", str(tmp_path / "a.zrec"), *arguments)
    assert done.exit_code == 2
    assert words in done.output
    assert not (tmp_path / "a.zrec").exists()


def test_an_endpoint_in_use_is_an_error_without_a_traceback(tmp_path: Path) -> None:
    path = small(tmp_path / "a.zrec")
    with Running("replay", path) as first:
        taken = first.wait_reported("ready")["query"]
        done = zinfo("replay", str(path), "--query", taken)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: query endpoint: cannot listen at {taken}")
    assert "Traceback" not in done.stderr


def test_the_text_output_has_file_times_and_endpoints(tmp_path: Path) -> None:
    path = small(tmp_path / "a.zrec")
    done = zinfo("replay", str(path), "--speed", "max", "--exit")
    assert done.returncode == 0, done.stderr
    first, where, how, end = done.stdout.splitlines()
    assert first == f"{path}: 60.0 s from 2026-11-23T09:05:00.000Z on; Ctrl-C ends it"
    assert where.startswith("queries at tcp://127.0.0.1:")
    assert how.startswith("View it:  zinfo top --connect tcp://127.0.0.1:")
    assert end == "the end"


def test_control_characters_of_a_recording_are_escaped(tmp_path: Path) -> None:
    silence = pack({"break": "stale", "seconds": 3.0, "reason": "\x1b[2Jgone"})
    frames = [*segment(entry("db-1:6379")), (Frame(BREAK, 1.0, (silence,)), WALL + 1)]
    path = write(tmp_path / "a.zrec", frames)
    done = zinfo("replay", str(path), "--speed", "max", "--exit")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[3] == r"1.0 s: \x1b[2Jgone, 3.0 s"


def test_with_from_subscribers_receive_nothing_older(tmp_path: Path) -> None:
    path = small(tmp_path / "a.zrec")
    with Running(
        "replay", path, "--from=30", "--to=36", "--speed=10", "--loop", "--wait"
    ) as replay:
        query = replay.wait_reported("ready")["query"]
        output: list[Delta | Restart] = []
        with Subscriber(query, shard_ids=["db-1:6379"], timeout=60) as updates:
            for update in updates:
                if isinstance(update, (Delta, Restart)):
                    output.append(update)
                if any(isinstance(one, Restart) for one in output[:-1]):
                    break  # with the first delta of the second pass
    assert {one.revision for one in output if isinstance(one, Delta)} == {26, 27, 28}


def test_with_wait_it_starts_when_a_subscriber_has_fetched_the_initial_state(
    tmp_path: Path,
) -> None:
    path = small(tmp_path / "a.zrec")
    with Running("replay", path, "--speed=max", "--wait") as replay:
        ready = replay.wait_reported("ready")
        with (
            zmq.Context() as context,
            context.socket(zmq.SUB) as bus,
            Client(ready["query"]) as client,
        ):
            bus.rcvtimeo = 60_000
            bus.subscribe(topic(KIND_HEARTBEAT))
            bus.connect(ready["bus"])
            bus.recv_multipart()  # without --wait, everything would be published by then
            (there,) = client.snapshot(["db-1:6379"])
            assert there["revision"] == 10
            replay.wait_reported("end")
            (there,) = client.snapshot(["db-1:6379"])
            assert there["revision"] == 40


def test_with_wait_it_waits_two_seconds_for_a_subscriber_that_fetches_nothing(
    tmp_path: Path,
) -> None:
    path = small(tmp_path / "a.zrec")
    with Running("replay", path, "--speed=max", "--wait") as replay:
        ready = replay.wait_reported("ready")
        with zmq.Context() as context, context.socket(zmq.SUB) as bus:
            bus.rcvtimeo = 60_000
            bus.subscribe(topic(KIND_DELTA))
            bus.connect(ready["bus"])
            revisions = [parse_message(bus.recv_multipart()).header.seq for _ in range(30)]
    assert revisions == list(range(11, 41))


def test_commands_for_a_daemon_work_with_a_replay(tmp_path: Path) -> None:
    path = write(tmp_path / "a.zrec", [*segment(entry("db-1:6379"))])
    with Running("replay", path) as replay:
        query = replay.wait_reported("ready")["query"]
        replay.wait_reported("end")
        shards = zinfo("shards", "--connect", query)
        assert "db-1:6379" in shards.stdout, shards.stderr
        got = zinfo("get", "--connect", query, "--key", "used_memory")
        assert "used_memory:1000" in got.stdout
        refused = zinfo("get", "--connect", query, "--section", "memory")
        assert refused.returncode == 1
        assert "this is a replay: a recording has no sections" in refused.stderr
        with Client(query) as client:
            assert client.sources() == [], "a recording has the events of sources, not their state"


def test_on_a_terminal_a_progress_line_is_shown_and_cleared_at_the_end(
    daemon: RunningDaemon, tmp_path: Path
) -> None:
    path = tmp_path / "a.zrec"
    ours, theirs = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "zinfo", "record", str(path), "--seconds=2"],
        cwd=ROOT,
        env=environment(daemon),
        stdout=subprocess.PIPE,
        stderr=theirs,
        timeout=60,
        check=False,
    )
    os.close(theirs)
    output = os.read(ours, 1 << 16).decode()
    os.close(ours)
    assert done.returncode == 0, output
    assert re.search(r"\r\x1b\[K +\d+ s  1 shards  \d+ messages \(\d+/s\)  [\d.]+ \w+", output), (
        output
    )
    assert output.endswith("\r\x1b[K")
    assert re.match(rf"{path}: \d+\.\d s of 1 shard,", done.stdout.decode())


def test_a_recording_ends_at_its_maximum_size_and_is_readable(
    daemon: RunningDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zrec"
    monkeypatch.setattr("zinfo.recording.writer.BLOCK_SECONDS", 0.2)  # small blocks
    options = ("--max-size", "8k", "--seconds", "60", "--json")
    done = invoke("record", str(path), *options, daemon=daemon)
    assert done.exit_code == 0, done.output
    output = json.loads(done.stdout)
    assert output["ended"] == "max-size"
    assert output["size"] == path.stat().st_size
    assert path.stat().st_size <= 8192
    with Recording(path) as recording:
        updates = [moment.update for moment in recording]
    counted = {
        "spans": sum(isinstance(update, Segment) for update in updates),
        "messages": len(updates) - 1,
        "deltas": sum(isinstance(update, Delta) for update in updates),
    }
    assert {name: output[name] for name in counted} == counted
    assert counted["spans"] == 1
    assert counted["deltas"] > 1
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_maximum_size_too_small_for_the_snapshot_says_what_it_needs(
    daemon: RunningDaemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zrec"
    monkeypatch.setattr("zinfo.cli.record._MIN_SIZE", 500)
    done = invoke("record", str(path), "--max-size", "500", "--seconds", "30", daemon=daemon)
    assert done.exit_code == 1, done.output
    found = re.search(
        r"too small for the initial state of 1 shards, which takes (\d+) bytes or more", done.output
    )
    assert found, done.output
    assert 1000 < int(found[1]) < 10_000
    assert not path.exists()
