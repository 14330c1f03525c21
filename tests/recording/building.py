"""Builds recordings, and the messages and frames for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from zinfo.recording import RecordingWriter
from zinfo.recording.frames import MESSAGE, PAGE, SEGMENT, Frame
from zinfo.wire.bus_messages import KIND_DELTA, KIND_EVENT, KIND_HEARTBEAT, fence_topic, topic
from zinfo.wire.codec import pack

NODE, EPOCH = "zinfo-a", 81985529216486
WALL = 1_795_424_700.0
"""The wall clock at the start of these recordings."""

INFO = {"role": "master", "run_id": "a" * 40, "redis_version": "7.2.4", "used_memory": 1000}


def header(seq: int, time: float, epoch: int = EPOCH) -> bytes:
    return pack([1, NODE, epoch, seq, time])


def delta(
    shard: str, revision: int, base: int | None = None, *, epoch: int = EPOCH, **fields: object
) -> list[bytes]:
    base = revision - 1 if base is None else base
    body = {"set": fields or {"used_memory": 1000 + revision}, "unset": [], "base": base}
    time = WALL + revision
    return [topic(KIND_DELTA, shard), header(revision, time, epoch), pack(body)]


def event(
    shard: str,
    type_: str,
    number: int,
    seq: int,
    *,
    new: str | None = None,
    reason: str = "",
    epoch: int = EPOCH,
    labels: dict[str, str] | None = None,
) -> list[bytes]:
    body: dict[str, object] = {
        "shard": shard,
        "type": type_,
        "old": None,
        "new": new,
        "reason": reason,
        "message": "",
        "number": number,
        "seq": seq,
        "time": WALL + number,
    }
    if labels is not None:
        body["labels"] = labels
    return [topic(KIND_EVENT, shard), header(seq, WALL + number, epoch), pack(body)]


def totals(shards: int, events: int, revisions: int) -> dict[str, object]:
    return {"interval": 1.0, "shards": shards, "events": events, "revisions": revisions}


def heartbeat(
    beat: int, shards: int, events: int, revisions: int, *, epoch: int = EPOCH
) -> list[bytes]:
    body = pack(totals(shards, events, revisions))
    return [topic(KIND_HEARTBEAT, NODE), header(beat, WALL + beat, epoch), body]


def fence(
    topic_: bytes | None, shards: int, events: int, revisions: int, *, epoch: int = EPOCH
) -> list[bytes]:
    body = pack(totals(shards, events, revisions))
    return [topic_ or fence_topic("0"), header(0, WALL, epoch), body]


def entry(
    shard: str, revision: int = 10, seq: int = 2, *, state: str = "up", **more: object
) -> dict[str, object]:
    """One shard of a reply to `snapshot`."""
    return {
        "shard": shard,
        "labels": {"site": "fra"},
        "state": state,
        "reason": "",
        "interval": 0.5,
        "age": 0.25 if revision else None,
        "revision": revision,
        "time": WALL if revision else None,
        "seq": seq,
        "info": dict(INFO) if revision else None,
        **more,
    }


def head(
    *, events: int = 4, revisions: int = 20, pages: int = 1, wall: float = WALL, **more: object
) -> dict[str, object]:
    """The head of a segment."""
    return {
        "node": NODE,
        "epoch": EPOCH,
        "wall": wall,
        "time": wall,
        "heartbeat": 1.0,
        "whole": True,
        "events": events,
        "revisions": revisions,
        "pages": pages,
        **more,
    }


def segment(
    *entries: dict[str, object], wall: float = WALL, **more: Any
) -> Iterator[tuple[Frame, float]]:
    """The frames at the start of a segment, with their wall clocks."""
    yield Frame(SEGMENT, 0.0, (pack(head(wall=wall, **more)),)), wall
    yield Frame(PAGE, 0.0, (pack(list(entries)),)), wall


def messages(
    *all_frames: list[bytes], every: float = 0.5, wall: float = WALL
) -> Iterator[tuple[Frame, float]]:
    """Messages, one after the other."""
    for index, frames in enumerate(all_frames, 1):
        yield Frame(MESSAGE, index * every, tuple(frames)), wall + index * every


def write(path: Path, frames: Iterable[tuple[Frame, float]]) -> Path:
    """Write a recording."""
    with RecordingWriter(path) as writer:
        for frame, wall in frames:
            writer.add(frame, wall)
    return path


def small(path: Path) -> Path:
    """Write a recording of two shards over a minute, in about a dozen blocks."""
    said = []
    for index in range(30):
        said.append(delta("db-1:6379", 11 + index))
        said.append(heartbeat(index + 1, 2, 4, 21 + index))
    begin = segment(entry("db-1:6379"), entry("db-2:6379", 0, state="down"))
    return write(path, [*begin, *messages(*said, every=1.0)])
