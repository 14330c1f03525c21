"""What is recorded of which message: told by hand what arrives, and when."""

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
from zinfo.wire.codec import pack, unpack
from zinfo.wire.query_messages import Request, encode_error, encode_reply

QUERY, BUS = "tcp://127.0.0.1:25999", "tcp://127.0.0.1:26000"


class Told:
    """Passes messages and time to a RecordingSession; 0.1 s pass after each step."""

    def __init__(self, *shards: str, rights: object = None) -> None:
        self.taking = RecordingSession(
            QUERY, shards=shards, timing=Timing(initial_backoff=0.1), rng=random.Random(1)
        )
        self.now = 100.0
        self.rights = rights
        self.requests: list[Request] = []
        self.fence = b""
        self.written: list[Frame] = []

    def _after(self) -> None:
        for action in self.taking.session.actions:
            if isinstance(action, SendRequest):
                self.requests.append(action.request)
            elif isinstance(action, OpenBus):
                self.fence = action.topics[-1]
        self.taking.session.actions.clear()
        self.written += [frame for frame, _ in self.taking.frames]
        self.taking.frames.clear()
        self.now += 0.1

    def tick(self, seconds: float = 0.0) -> None:
        self.now += seconds
        self.taking.tick(self.now)
        self._after()

    def bus(self, frames: list[bytes]) -> None:
        self.taking.on_bus(frames, self.now, WALL + self.now)
        self._after()

    def reply(self, body: object, *, epoch: int = EPOCH, cursor: str | None = None) -> None:
        extra = {} if cursor is None else {"cursor": cursor}
        frames = encode_reply(self.requests.pop(0).id, NODE, epoch, extra)
        self.taking.on_reply([*frames, pack(body)], self.now)
        self._after()

    def join(self, *, events: int = 4, revisions: int = 20, epoch: int = EPOCH) -> None:
        """Up to the fence."""
        self.tick(2.0)
        assert self.requests[0].op == "hello"
        hello = {"node": NODE, "versions": [1], "bus": [BUS], "heartbeat": 1.0}
        if self.rights is not None:
            hello["rights"] = self.rights
        self.reply(hello, epoch=epoch)
        self.bus(fence(self.fence, 1, events, revisions, epoch=epoch))

    def begin(self, *entries: dict[str, object], **totals: int) -> None:
        """Up to the span."""
        self.join(**totals)
        self.reply([*entries], epoch=totals.get("epoch", EPOCH))
        assert self.taking.in_segment

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
    told = Told()
    told.begin(entry("a:1"))
    said = [delta("a:1", 11), event("a:1", "down", 5, 3, new="down"), heartbeat(1, 1, 5, 21)]
    for frames in said:
        told.bus(frames)
    assert told.kinds() == [SEGMENT, PAGE, MESSAGE, MESSAGE, MESSAGE]
    assert told.messages() == said
    (head,) = told.heads()
    assert (head["events"], head["revisions"], head["whole"], head["pages"]) == (4, 20, True, 1)
    assert [frame.at for frame in told.written[2:]] == pytest.approx([0.2, 0.3, 0.4])


def test_messages_received_during_the_snapshot_are_recorded_once_after_it() -> None:
    told = Told()
    told.join()
    newer = [
        event("a:1", "down", 5, 3, new="down"),  # the snapshot has it; its number must not miss
        event("new:1", "added", 6, 1, new="new"),
        delta("new:1", 1, 0),
        delta("a:1", 12),
    ]
    told.bus(delta("a:1", 11))  # the snapshot has it
    told.bus(delta("gone:1", 5))  # it was removed before the snapshot
    for frames in newer:
        told.bus(frames)
    assert not told.written
    told.reply([entry("a:1", 11, 3, state="down")])
    assert told.kinds() == [SEGMENT, PAGE, *[MESSAGE] * 4]
    assert told.messages() == newer
    (head,) = told.heads()
    assert (head["events"], head["revisions"]) == (4, 22)


def test_all_pages_are_recorded_and_a_missing_one_is_requested_again() -> None:
    told = Told()
    told.join()
    told.reply([entry("a:1")], cursor="a:1")
    assert told.requests[0].args == {"cursor": "a:1"}
    told.bus(heartbeat(1, 1, 4, 20))
    told.requests.clear()
    told.tick(2.5)
    assert told.requests[0].args == {"cursor": "a:1"}
    told.reply([entry("b:1")])
    assert told.kinds() == [SEGMENT, PAGE, PAGE, MESSAGE]
    assert told.heads()[0]["pages"] == 2


@pytest.mark.parametrize(
    "sign",
    [delta("a:1", 12), event("a:1", "down", 6, 4, new="down"), heartbeat(1, 1, 4, 21)],
    ids=["delta", "event", "heartbeat"],
)
def test_a_sign_of_loss_ends_the_segment_and_all_shards_follow_again(sign: list[bytes]) -> None:
    told = Told()
    told.begin(entry("a:1"))
    told.bus(delta("a:1", 10, 9))
    told.bus(event("a:1", "up", 4, 2, new="up"))
    told.bus(heartbeat(0, 1, 4, 20 + 1))
    told.written.clear()
    told.bus(heartbeat(1, 1, 4, 22) if sign[0].startswith(b"z1/hb") else sign)
    assert told.breaks() == ["gap"]
    assert told.messages() == []
    told.bus(delta("a:1", 13))  # nobody knows what it is a change of
    told.begin(entry("a:1", 13), revisions=23)
    told.bus(delta("a:1", 14))
    assert told.kinds() == [BREAK, SEGMENT, PAGE, MESSAGE]
    assert told.heads()[0]["revisions"] == 23
    assert told.taking.counts["gaps"] == 1


def test_silence_is_recorded_and_all_shards_follow_when_it_ends() -> None:
    told = Told()
    told.begin(entry("a:1"))
    told.bus(heartbeat(1, 1, 4, 20))
    told.tick(5.0)
    assert told.breaks() == ["stale"]
    told.begin(entry("a:1"))
    assert told.kinds() == [SEGMENT, PAGE, MESSAGE, BREAK, SEGMENT, PAGE]
    assert told.taking.counts["stales"] == 1


def test_a_restarted_daemon_is_recorded_as_a_restart() -> None:
    told = Told()
    told.begin(entry("a:1"))
    told.bus(heartbeat(1, 1, 1, 1, epoch=7))
    told.begin(entry("a:1", 1), events=1, revisions=1, epoch=7)
    assert told.breaks() == ["stale", "restart"]
    assert [head["epoch"] for head in told.heads()] == [EPOCH, 7]


def test_the_labels_of_an_added_shard_are_requested_and_recorded() -> None:
    told = Told()
    told.begin(entry("a:1"))
    told.bus(event("b:1", "added", 5, 1, new="new"))
    assert told.requests[0].args == {"topics": ["z1/delta/b:1/"]}
    told.reply([entry("b:1", 0)])
    assert told.kinds() == [SEGMENT, PAGE, MESSAGE, SHARDS]
    assert told.taking.shards == 2
    told.bus(event("b:1", "removed", 6, 2))
    assert told.taking.shards == 1


def test_a_lost_reply_about_an_added_shard_is_requested_again() -> None:
    told = Told()
    told.begin(entry("a:1"))
    told.bus(event("b:1", "added", 5, 1, new="new"))
    lost = told.requests.pop(0)
    assert lost.deadline == 2.0
    assert told.taking.deadline() <= told.now + 2.0
    told.bus(heartbeat(1, 2, 5, 20))
    told.tick(2.0)
    again = told.requests[0]
    assert (again.op, again.args, again.deadline) == (lost.op, lost.args, 4.0)
    told.reply([entry("b:1", 0)])
    assert told.kinds()[-1] == SHARDS
    assert told.breaks() == []


def test_after_a_busy_error_the_added_shard_is_requested_again() -> None:
    told = Told()
    told.begin(entry("a:1"))
    told.bus(event("b:1", "added", 5, 1, new="new"))
    error = encode_error(told.requests.pop(0).id, NODE, EPOCH, BusyError("too much"))
    told.taking.on_reply(error, told.now)
    told.bus(heartbeat(1, 2, 5, 20))
    told.tick(2.0)
    told.reply([entry("b:1", 0)])
    assert told.kinds()[-1] == SHARDS


def test_without_a_reply_about_an_added_shard_the_segment_ends() -> None:
    told = Told()
    told.begin(entry("a:1"))
    told.bus(event("b:1", "added", 5, 1, new="new"))
    beat = 0
    while told.taking.in_segment:
        beat += 1
        assert beat < 60, "it waits for ever"
        told.bus(heartbeat(beat, 2, 5, 20))
        told.tick(0.5)
    assert {request.op for request in told.requests} == {"snapshot"}
    assert len(told.requests) == Timing().page_tries
    told.requests.clear()
    told.begin(entry("a:1"), entry("b:1"), events=5)
    assert told.breaks() == ["stale"]
    assert len(told.heads()) == 2


def test_labels_that_an_event_does_not_contain_are_requested() -> None:
    told = Told()
    told.begin(entry("a:1"))
    told.bus(event("a:1", "labels_changed", 5, 3, labels={"site": "ams"}))
    assert told.requests == []
    told.bus(event("a:1", "labels_changed", 6, 4))
    assert told.requests[0].args == {"topics": ["z1/delta/a:1/"]}
    told.reply([entry("a:1")])
    assert told.kinds() == [SEGMENT, PAGE, MESSAGE, MESSAGE, SHARDS]


def test_with_named_shards_only_those_are_requested_and_totals_are_ignored() -> None:
    told = Told("a:1")
    told.join()
    assert told.requests[0].args == {"topics": ["z1/delta/a:1/"]}
    told.reply([entry("a:1")])
    assert told.heads()[0]["whole"] is False
    told.bus(event("a:1", "down", 9, 3, new="down"))  # others have events, too
    told.bus(heartbeat(1, 5, 99, 999))
    assert told.breaks() == []


def test_shards_hidden_from_the_key_do_not_count_as_lost() -> None:
    told = Told(rights={"shards": ["a"], "withheld": []})
    told.begin(entry("a:1"))
    assert told.heads()[0]["whole"] is False
    told.bus(event("a:1", "down", 9, 3, new="down"))
    told.bus(event("a:1", "up", 17, 4, new="up"))
    told.bus(heartbeat(1, 5, 99, 999))
    assert told.breaks() == []
    told.bus(event("a:1", "down", 19, 6, new="down"))
    assert told.breaks() == ["gap"]


def test_a_key_without_the_right_to_snapshot_is_reported() -> None:
    told = Told()
    told.join()
    error = NotAllowedError("this key may not call snapshot")
    told.taking.on_reply(encode_error(told.requests[0].id, NODE, EPOCH, error), told.now)
    assert told.taking.refused == "this key may not call snapshot"
