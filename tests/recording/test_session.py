"""What a RecordingSession records of which message."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest

from tests.recording.building import (
    EPOCH,
    NODE,
    WALL,
    delta,
    entry,
    event,
    fence,
    heartbeat,
)
from zinfo.client.bus_session import OpenBus, SendRequest, Timing
from zinfo.errors import BusyError, NotAllowedError
from zinfo.recording.frames import BREAK, MESSAGE, PAGE, SEGMENT, SHARDS, Frame
from zinfo.recording.session import RecordingSession
from zinfo.wire.bus_messages import BATCH_TOPIC, pack_batch
from zinfo.wire.codec import pack, unpack
from zinfo.wire.query_messages import Request, encode_error, encode_reply

QUERY, BUS = "tcp://127.0.0.1:25999", "tcp://127.0.0.1:26000"


class RecordingWorld:
    """Passes messages and time to a RecordingSession; 0.1 s pass after each step."""

    def __init__(self, *shards: str, rights: object = None, kinds: Sequence[str] = ()) -> None:
        self.recording = RecordingSession(
            QUERY, shards=shards, timing=Timing(initial_backoff=0.1), rng=random.Random(1)
        )
        self.now = 100.0
        self.rights = rights
        self.kinds_of_topics = list(kinds)
        self.requests: list[Request] = []
        self.fence = b""
        self.topics: list[bytes] = []
        self.written: list[Frame] = []

    def _after(self) -> None:
        for action in self.recording.session.actions:
            if isinstance(action, SendRequest):
                self.requests.append(action.request)
            elif isinstance(action, OpenBus):
                *self.topics, self.fence = action.topics
        self.recording.session.actions.clear()
        self.written += [frame for frame, _ in self.recording.frames]
        self.recording.frames.clear()
        self.now += 0.1

    def tick(self, seconds: float = 0.0) -> None:
        self.now += seconds
        self.recording.tick(self.now)
        self._after()

    def bus(self, frames: list[bytes]) -> None:
        self.recording.on_bus(frames, self.now, WALL + self.now)
        self._after()

    def reply(self, body: object, *, epoch: int = EPOCH, cursor: str | None = None) -> None:
        extra = {} if cursor is None else {"cursor": cursor}
        frames = encode_reply(self.requests.pop(0).id, NODE, epoch, extra)
        self.recording.on_reply([*frames, pack(body)], self.now)
        self._after()

    def join(self, *, events: int = 4, revisions: int = 20, epoch: int = EPOCH) -> None:
        """Join, up to the fence."""
        self.tick(2.0)
        assert self.requests[0].op == "hello"
        hello: dict[str, object] = {"node": NODE, "versions": [1], "bus": [BUS], "heartbeat": 1.0}
        hello["kinds"] = self.kinds_of_topics
        if self.rights is not None:
            hello["rights"] = self.rights
        self.reply(hello, epoch=epoch)
        self.bus(fence(self.fence, 1, events, revisions, epoch=epoch))

    def begin(self, *entries: dict[str, object], **totals: int) -> None:
        """Join, and receive the snapshot."""
        self.join(**totals)
        self.reply([*entries], epoch=totals.get("epoch", EPOCH))
        assert self.recording.in_segment

    def kinds(self) -> list[int]:
        return [frame.kind for frame in self.written]

    def breaks(self) -> list[object]:
        found = [unpack(frame.parts[0]) for frame in self.written if frame.kind == BREAK]
        return [one["break"] for one in found if isinstance(one, dict)]

    def heads(self) -> list[dict[str, object]]:
        found = [unpack(frame.parts[0]) for frame in self.written if frame.kind == SEGMENT]
        return [one for one in found if isinstance(one, dict)]

    def messages(self) -> list[Sequence[bytes]]:
        return [list(frame.parts) for frame in self.written if frame.kind == MESSAGE]


def test_a_recording_has_all_shards_and_then_the_messages() -> None:
    world = RecordingWorld()
    world.begin(entry("a:1"))
    said = [delta("a:1", 11), event("a:1", "down", 5, 3, new="down"), heartbeat(1, 1, 5, 21)]
    for frames in said:
        world.bus(frames)
    assert world.kinds() == [SEGMENT, PAGE, MESSAGE, MESSAGE, MESSAGE]
    assert world.messages() == said
    (head,) = world.heads()
    assert (head["events"], head["revisions"], head["whole"], head["pages"]) == (4, 20, True, 1)
    assert [frame.at for frame in world.written[2:]] == pytest.approx([0.2, 0.3, 0.4])


def batch(*messages: list[bytes]) -> list[bytes]:
    """Return a batch of deltas."""
    header = pack([1, NODE, EPOCH, 1, WALL])
    return [BATCH_TOPIC, header, pack_batch([(one[0], one[1], one[2]) for one in messages])]


def test_the_deltas_of_a_batch_are_recorded_as_if_they_had_come_alone() -> None:
    world = RecordingWorld(kinds=["delta", "batch"])
    world.join()
    assert (BATCH_TOPIC in world.topics, b"z1/delta/" in world.topics) == (True, False)
    said = [delta("a:1", 12), delta("a:1", 13), delta("a:1", 14)]
    world.bus(batch(delta("a:1", 11), said[0]))  # the first is included in the snapshot
    world.reply([entry("a:1", 11)])
    world.bus(batch(*said[1:]))
    assert world.messages() == said
    assert world.recording.counts["deltas"] == 3
    world.bus(batch(delta("a:1", 15), delta("a:1", 17), delta("a:1", 18)))
    assert world.messages() == [*said, delta("a:1", 15)]
    assert world.breaks() == ["gap"]


@pytest.mark.parametrize("body", [b"", b"\x91\x01", pack_batch([(b"z1/event/a/", b"", b"")])])
def test_a_batch_that_is_not_valid_ends_the_segment(body: bytes) -> None:
    world = RecordingWorld()
    world.begin(entry("a:1"))
    world.bus([BATCH_TOPIC, b"", body])
    assert not world.recording.in_segment


def test_messages_received_during_the_snapshot_are_recorded_once_after_it() -> None:
    world = RecordingWorld()
    world.join()
    newer = [
        event("a:1", "down", 5, 3, new="down"),  # included in the snapshot, except its number
        event("new:1", "added", 6, 1, new="new"),
        delta("new:1", 1, 0),
        delta("a:1", 12),
    ]
    world.bus(delta("a:1", 11))  # included in the snapshot
    world.bus(delta("gone:1", 5))  # it was removed before the snapshot
    for frames in newer:
        world.bus(frames)
    assert not world.written
    world.reply([entry("a:1", 11, 3, state="down")])
    assert world.kinds() == [SEGMENT, PAGE, *[MESSAGE] * 4]
    assert world.messages() == newer
    (head,) = world.heads()
    assert (head["events"], head["revisions"]) == (4, 22)


def test_all_pages_are_recorded_and_a_missing_one_is_requested_again() -> None:
    world = RecordingWorld()
    world.join()
    world.reply([entry("a:1")], cursor="a:1")
    assert world.requests[0].args == {"cursor": "a:1"}
    world.bus(heartbeat(1, 1, 4, 20))
    world.requests.clear()
    world.tick(2.5)
    assert world.requests[0].args == {"cursor": "a:1"}
    world.reply([entry("b:1")])
    assert world.kinds() == [SEGMENT, PAGE, PAGE, MESSAGE]
    assert world.heads()[0]["pages"] == 2


@pytest.mark.parametrize(
    "sign",
    [delta("a:1", 12), event("a:1", "down", 6, 4, new="down"), heartbeat(1, 1, 4, 21)],
    ids=["delta", "event", "heartbeat"],
)
def test_a_sign_of_loss_ends_the_segment_and_all_shards_follow_again(sign: list[bytes]) -> None:
    world = RecordingWorld()
    world.begin(entry("a:1"))
    world.bus(delta("a:1", 10, 9))
    world.bus(event("a:1", "up", 4, 2, new="up"))
    world.bus(heartbeat(0, 1, 4, 20 + 1))
    world.written.clear()
    world.bus(heartbeat(1, 1, 4, 22) if sign[0].startswith(b"z1/hb") else sign)
    assert world.breaks() == ["gap"]
    assert world.messages() == []
    world.bus(delta("a:1", 13))  # its base is not recorded
    world.begin(entry("a:1", 13), revisions=23)
    world.bus(delta("a:1", 14))
    assert world.kinds() == [BREAK, SEGMENT, PAGE, MESSAGE]
    assert world.heads()[0]["revisions"] == 23
    assert world.recording.counts["gaps"] == 1


def test_silence_is_recorded_and_all_shards_follow_when_it_ends() -> None:
    world = RecordingWorld()
    world.begin(entry("a:1"))
    world.bus(heartbeat(1, 1, 4, 20))
    world.tick(5.0)
    assert world.breaks() == ["stale"]
    world.begin(entry("a:1"))
    assert world.kinds() == [SEGMENT, PAGE, MESSAGE, BREAK, SEGMENT, PAGE]
    assert world.recording.counts["stales"] == 1


def test_a_restarted_daemon_is_recorded_as_a_restart() -> None:
    world = RecordingWorld()
    world.begin(entry("a:1"))
    world.bus(heartbeat(1, 1, 1, 1, epoch=7))
    world.begin(entry("a:1", 1), events=1, revisions=1, epoch=7)
    assert world.breaks() == ["stale", "restart"]
    assert [head["epoch"] for head in world.heads()] == [EPOCH, 7]


def test_the_labels_of_an_added_shard_are_requested_and_recorded() -> None:
    world = RecordingWorld()
    world.begin(entry("a:1"))
    world.bus(event("b:1", "added", 5, 1, new="new"))
    assert world.requests[0].args == {"topics": ["z1/delta/b:1/"]}
    world.reply([entry("b:1", 0)])
    assert world.kinds() == [SEGMENT, PAGE, MESSAGE, SHARDS]
    assert world.recording.shards == 2
    world.bus(event("b:1", "removed", 6, 2))
    assert world.recording.shards == 1


def test_a_lost_reply_about_an_added_shard_is_requested_again() -> None:
    world = RecordingWorld()
    world.begin(entry("a:1"))
    world.bus(event("b:1", "added", 5, 1, new="new"))
    lost = world.requests.pop(0)
    assert lost.deadline == 2.0
    assert world.recording.deadline() <= world.now + 2.0
    world.bus(heartbeat(1, 2, 5, 20))
    world.tick(2.0)
    again = world.requests[0]
    assert (again.op, again.args, again.deadline) == (lost.op, lost.args, 4.0)
    world.reply([entry("b:1", 0)])
    assert world.kinds()[-1] == SHARDS
    assert world.breaks() == []


def test_after_a_busy_error_the_added_shard_is_requested_again() -> None:
    world = RecordingWorld()
    world.begin(entry("a:1"))
    world.bus(event("b:1", "added", 5, 1, new="new"))
    error = encode_error(world.requests.pop(0).id, NODE, EPOCH, BusyError("too much"))
    world.recording.on_reply(error, world.now)
    world.bus(heartbeat(1, 2, 5, 20))
    world.tick(2.0)
    world.reply([entry("b:1", 0)])
    assert world.kinds()[-1] == SHARDS


def test_without_a_reply_about_an_added_shard_the_segment_ends() -> None:
    world = RecordingWorld()
    world.begin(entry("a:1"))
    world.bus(event("b:1", "added", 5, 1, new="new"))
    beat = 0
    while world.recording.in_segment:
        beat += 1
        assert beat < 60, "it waits for ever"
        world.bus(heartbeat(beat, 2, 5, 20))
        world.tick(0.5)
    assert {request.op for request in world.requests} == {"snapshot"}
    assert len(world.requests) == Timing().page_tries
    world.requests.clear()
    world.begin(entry("a:1"), entry("b:1"), events=5)
    assert world.breaks() == ["stale"]
    assert len(world.heads()) == 2


def test_labels_that_an_event_does_not_contain_are_requested() -> None:
    world = RecordingWorld()
    world.begin(entry("a:1"))
    world.bus(event("a:1", "labels_changed", 5, 3, labels={"site": "ams"}))
    assert world.requests == []
    world.bus(event("a:1", "labels_changed", 6, 4))
    assert world.requests[0].args == {"topics": ["z1/delta/a:1/"]}
    world.reply([entry("a:1")])
    assert world.kinds() == [SEGMENT, PAGE, MESSAGE, MESSAGE, SHARDS]


def test_with_named_shards_only_those_are_requested_and_totals_are_ignored() -> None:
    world = RecordingWorld("a:1")
    world.join()
    assert world.requests[0].args == {"topics": ["z1/delta/a:1/"]}
    world.reply([entry("a:1")])
    assert world.heads()[0]["whole"] is False
    world.bus(event("a:1", "down", 9, 3, new="down"))  # other shards have events, too
    world.bus(heartbeat(1, 5, 99, 999))
    assert world.breaks() == []


def test_shards_hidden_from_the_key_do_not_count_as_lost() -> None:
    world = RecordingWorld(rights={"shards": ["a"], "withheld": []})
    world.begin(entry("a:1"))
    assert world.heads()[0]["whole"] is False
    world.bus(event("a:1", "down", 9, 3, new="down"))
    world.bus(event("a:1", "up", 17, 4, new="up"))
    world.bus(heartbeat(1, 5, 99, 999))
    assert world.breaks() == []
    world.bus(event("a:1", "down", 19, 6, new="down"))
    assert world.breaks() == ["gap"]


def test_a_key_without_the_right_to_snapshot_is_reported() -> None:
    world = RecordingWorld()
    world.join()
    error = NotAllowedError("this key may not call snapshot")
    world.recording.on_reply(encode_error(world.requests[0].id, NODE, EPOCH, error), world.now)
    assert world.recording.refused == "this key may not call snapshot"
