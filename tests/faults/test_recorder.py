"""A recorder whose request gets no reply, or whose file is full."""

from __future__ import annotations

import random
import signal
import threading
from pathlib import Path

from tests.daemons import RunningDaemon
from tests.faults.proxy import Proxy
from tests.promises import Promise
from tests.recording.building import delta, entry, messages, segment
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.client import Delta
from zinfo.recording import LabelUpdate, Recorder, Recording, RecordingWriter, Segment

ROOM = 16_384  # bytes


def test_a_lost_reply_about_an_added_shard_is_requested_again(
    tmp_path: Path, promise: Promise
) -> None:
    path = tmp_path / "a.zrec"
    with RealServer() as server:
        shards = [f'[[shards]]\nid = "{name}"\nurl = "{server.url}"\n' for name in "ab"]
        with (
            RunningDaemon(config_text=shards[0]) as daemon,
            Proxy(daemon.query) as query,
            RecordingWriter(path) as writer,
        ):
            recorder = Recorder(query.endpoint, writer)
            thread = threading.Thread(target=recorder.run, args=(600.0,))
            thread.start()
            try:
                wait_until(lambda: recorder.counts["spans"] == 1, what="a segment")
                before = query.connections
                query.blackhole()
                daemon.config_path.write_text("".join(shards))
                daemon.signal(signal.SIGHUP)
                wait_until(lambda: recorder.shards == 2, what="the other shard")
                query.restore()  # for connections that are made from now on
                wait_until(lambda: query.connections > before, 60, what="another try")
                wait_until(lambda: described(path), 60, what="the reply in the file")
            finally:
                recorder.stop()
                thread.join()
        counts = recorder.counts
        promise(
            "the reply about an added shard is lost",
            "it is requested again on another connection, and the segment continues",
            f"{query.connections - before} more connections, {counts['spans']} segments, "
            f"described: {', '.join(described(path))}",
        )
        assert described(path) == ["b"]
        assert (counts["spans"], counts["gaps"], counts["stales"]) == (1, 0, 0)


def described(path: Path) -> list[str]:
    """The ids of the shards that the file describes beside its snapshots."""
    with Recording(path) as recording:
        updates = [moment.update for moment in recording]
    return [e.shard for one in updates if isinstance(one, LabelUpdate) for e in one.entries]


def test_of_a_block_that_does_not_fit_the_first_messages_are_recorded(
    tmp_path: Path, promise: Promise
) -> None:
    noise = random.Random(1)  # does not compress
    deltas = [delta("a:1", 11 + n, note=noise.randbytes(200).hex()) for n in range(100)]
    path = tmp_path / "a.zrec"
    with RecordingWriter(path, max_size=ROOM) as writer:
        for frame, wall in [*segment(entry("a:1")), *messages(*deltas, every=0.01)]:
            writer.add(frame, wall)
        writer.flush()
    with Recording(path) as recording:
        updates = [moment.update for moment in recording]
    revisions = [one.revision for one in updates if isinstance(one, Delta)]
    size = path.stat().st_size
    promise(
        f"the first five seconds need {writer.needed} bytes, --max-size is {ROOM}",
        "the shards as they are and as many messages as have room",
        f"{size} bytes with {len(revisions)} of {len(deltas)} messages",
    )
    assert writer.full
    assert writer.needed > ROOM
    assert ROOM - 500 < size <= ROOM
    assert isinstance(updates[0], Segment)
    assert revisions == list(range(11, 11 + len(revisions)))
    assert len(revisions) + len(writer.left_out) == len(deltas)
