"""Reading and writing the file, also truncated, damaged or malformed ones."""

from __future__ import annotations

import fcntl
import os
import random
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zinfo.recording
from tests.daemons import ROOT
from tests.examples import examples
from tests.recording.building import (
    EPOCH,
    NODE,
    WALL,
    delta,
    entry,
    event,
    head,
    heartbeat,
    messages,
    segment,
    small,
    write,
)
from zinfo.client import Delta, Event, Gap, Heartbeat, Restart, Stale
from zinfo.errors import RecordingError
from zinfo.recording import Moment, Recording, RecordingWriter, Segment
from zinfo.recording.blocks import walk
from zinfo.recording.frames import (
    BREAK,
    MAGIC,
    MESSAGE,
    PAGE,
    SEGMENT,
    Frame,
    decode_frames,
    decode_header,
    encode_block,
    encode_frame,
    unpack_block,
)
from zinfo.recording.writer import BLOCK_SECONDS
from zinfo.wire.codec import pack


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a recording with some blocks."""
    return small(tmp_path_factory.mktemp("whole") / "a.zrec").read_bytes()


def read(path: Path) -> list[Moment]:
    with Recording(path) as recording:
        return list(recording)


def ends(data: bytes, directory: Path) -> Iterator[int]:
    """Where the blocks of a recording end."""
    path = directory / "ends.zrec"
    path.write_bytes(data)
    with path.open("rb") as file:
        yield len(MAGIC)
        for block in walk(file):
            yield block.end


def test_updates_are_read_in_order_with_their_times(tmp_path: Path) -> None:
    said = [
        delta("a:1", 11),
        event("a:1", "down", 5, 3, new="down", reason="refused"),
        heartbeat(1, 1, 5, 21),
    ]
    path = write(tmp_path / "a.zrec", [*segment(entry("a:1")), *messages(*said)])
    moments = read(path)
    assert [type(moment.update) for moment in moments] == [Segment, Delta, Event, Heartbeat]
    assert [moment.at for moment in moments] == pytest.approx([0.0, 0.5, 1.0, 1.5])
    assert [moment.wall for moment in moments] == pytest.approx(
        [WALL, WALL + 0.5, WALL + 1.0, WALL + 1.5]
    )
    first, changed, down, beat = (moment.update for moment in moments)
    assert isinstance(first, Segment)
    assert (first.events, first.revisions, first.complete) == (4, 20, True)
    assert first.entries[0].labels == {"site": "fra"}
    assert changed == Delta("a:1", 11, 10, WALL + 11, {"used_memory": 1011}, ())
    assert isinstance(down, Event)
    assert (down.number, down.reason) == (5, "refused")
    assert isinstance(beat, Heartbeat)
    assert beat.revisions == 21


def test_updates_are_those_of_a_subscriber(tmp_path: Path) -> None:
    with Recording(small(tmp_path / "a.zrec")) as recording:
        assert {type(update) for update in recording.updates()} == {Delta, Heartbeat}
        assert len(list(recording.updates())) == 60  # a second iteration starts at the beginning


@given(
    st.lists(
        st.tuples(
            st.integers(0, 255),
            st.floats(0, 1e9),
            st.lists(st.binary(max_size=300), max_size=5),
        ),
        max_size=20,
    )
)
def test_frames_and_blocks_round_trip(
    frames: list[tuple[int, float, list[bytes]]],
) -> None:
    written = [Frame(kind, at, tuple(parts)) for kind, at, parts in frames]
    plain = b"".join(map(encode_frame, written))
    block = encode_block(plain, 1, 5.0, 6.0)
    header = decode_header(block)
    assert header is not None
    assert (header.flags, header.first, header.last) == (1, 5.0, 6.0)
    found = list(decode_frames(unpack_block(header, block[-header.packed :])))
    assert [(frame.kind, frame.parts) for frame in found] == [
        (frame.kind, frame.parts) for frame in written
    ]
    assert [frame.at for frame in found] == pytest.approx([f.at for f in written], abs=1e-6)


@given(st.binary(max_size=200))
def test_bytes_that_are_not_frames_are_an_error(plain: bytes) -> None:
    try:
        list(decode_frames(plain))
    except RecordingError as error:
        assert "frame" in str(error)  # noqa: PT017 - most bytes are no frames, but some are


def test_a_file_truncated_anywhere_is_read_up_to_its_last_complete_block(
    whole: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "cut.zrec"
    everything = list(ends(whole, tmp_path))
    assert len(everything) > 8
    moments = {}
    for end in everything:
        path.write_bytes(whole[:end])
        moments[end] = read(path)
    assert len(moments[everything[-1]]) > len(moments[everything[-2]]) > 0
    around_ends = {end + offset for end in everything for offset in range(-3, 40)}
    step = 1 if examples(100) == 100 else 5  # every byte at night
    for cut in sorted(around_ends.union(range(0, len(whole), step)) & set(range(len(whole)))):
        path.write_bytes(whole[:cut])
        last = max((end for end in everything if end <= cut), default=0)
        with Recording(path) as recording:
            assert list(recording) == moments.get(last, []), cut
            assert recording.summary().truncated == cut - last, cut


@settings(max_examples=examples(300), deadline=None)
@given(st.data())
def test_a_changed_byte_hides_only_the_blocks_from_there_on(
    whole: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    directory = tmp_path_factory.getbasetemp()
    at = data.draw(st.integers(0, len(whole) - 1))
    changed = bytearray(whole)
    changed[at] ^= data.draw(st.integers(1, 255))
    path = directory / "changed.zrec"
    path.write_bytes(changed)
    if at < len(MAGIC):
        with pytest.raises(RecordingError, match=r"not a recording of zinfo|of version"):
            Recording(path)
        return
    before = max(end for end in ends(whole, directory) if end <= at)
    path.write_bytes(whole[:before])
    expected = read(path)
    path.write_bytes(changed)
    assert read(path) == expected


@pytest.mark.parametrize("cut_in_block", [1, 30, 60])
def test_a_truncated_recording_is_continued_after_its_last_complete_block(
    whole: bytes, tmp_path: Path, cut_in_block: int
) -> None:
    path = tmp_path / "a.zrec"
    *_, before, _last = ends(whole, tmp_path)
    path.write_bytes(whole[: before + cut_in_block])
    intact = read(path)
    with RecordingWriter(path) as writer:
        assert writer.truncated == cut_in_block
        assert writer.last == pytest.approx(intact[-1].wall)
        for frame, wall in segment(entry("a:1"), wall=WALL + 3600):
            writer.add(frame, wall)
    moments = read(path)
    assert moments[: len(intact)] == intact
    gap, again = moments[len(intact) :]
    assert gap.update == Gap(None, "delta", None, None)  # no break was recorded
    assert isinstance(again.update, Segment)
    assert again.at == pytest.approx(3600)


def test_a_segment_with_missing_pages_is_left_out(tmp_path: Path) -> None:
    unfinished = [
        (Frame(SEGMENT, 0.0, (pack(head(pages=2)),)), WALL),
        (Frame(PAGE, 0.0, (pack([entry("a:1")]),)), WALL),
    ]
    path = write(tmp_path / "a.zrec", unfinished)
    assert read(path) == []
    write(path, [*segment(entry("b:1"), wall=WALL + 10)])
    (moment,) = read(path)
    assert isinstance(moment.update, Segment)
    assert [one.shard for one in moment.update.entries] == ["b:1"]


@pytest.mark.parametrize(
    ("key", "value"), [("node", 7), ("pages", None), ("wall", float("nan")), ("time", True)]
)
def test_a_malformed_head_of_a_segment_is_an_error(tmp_path: Path, key: str, value: Any) -> None:
    frames = [
        (Frame(SEGMENT, 0.0, (pack(head(pages=1) | {key: value}),)), WALL),
        (Frame(PAGE, 0.0, (pack([entry("a:1")]),)), WALL),
    ]
    path = write(tmp_path / "a.zrec", frames)
    with pytest.raises(RecordingError, match=f"the block at byte 8 cannot be read: {key} must be"):
        read(path)


def test_another_epoch_in_the_next_segment_is_a_restart(tmp_path: Path) -> None:
    frames = [*segment(entry("a:1")), *segment(entry("a:1"), wall=WALL + 5, epoch=7)]
    updates = [moment.update for moment in read(write(tmp_path / "a.zrec", frames))]
    assert [type(update) for update in updates] == [Segment, Restart, Segment]
    assert isinstance(updates[1], Restart)
    assert updates[1].epoch == 7


def test_another_epoch_is_a_restart_also_after_a_silence(tmp_path: Path) -> None:
    silence = pack({"break": "stale", "seconds": 3.0, "reason": "nothing was recorded here"})
    restart = pack({"break": "restart", "node": NODE, "old_epoch": EPOCH, "epoch": 7})
    frames = [
        *segment(entry("a:1")),
        (Frame(BREAK, 2.0, (silence,)), WALL + 2),
        *segment(entry("a:1"), wall=WALL + 5, epoch=7),
    ]
    moments = read(write(tmp_path / "a.zrec", frames))
    assert [type(moment.update) for moment in moments] == [Segment, Stale, Restart, Segment]
    assert moments[2].update == Restart(NODE, EPOCH, 7)
    frames.insert(3, (Frame(BREAK, 3.0, (restart,)), WALL + 3))
    updates = [moment.update for moment in read(write(tmp_path / "b.zrec", frames))]
    assert [type(update) for update in updates] == [Segment, Stale, Restart, Segment]


def test_reading_from_a_time_starts_with_the_segment_that_contains_it(tmp_path: Path) -> None:
    frames = [
        *segment(entry("a:1")),
        *messages(delta("a:1", 11)),
        *segment(entry("b:1"), wall=WALL + 100),
        *messages(delta("b:1", 11), wall=WALL + 100),
        *segment(entry("c:1"), wall=WALL + 200),
    ]
    with Recording(write(tmp_path / "a.zrec", frames)) as recording:
        for since, shard in ((0, "a:1"), (99, "a:1"), (100, "b:1"), (150, "b:1"), (999, "c:1")):
            first = next(recording.moments(since))
            assert isinstance(first.update, Segment)
            assert first.update.entries[0].shard == shard
            assert first.at == pytest.approx({"a:1": 0, "b:1": 100, "c:1": 200}[shard])


def test_moments_stay_in_order_when_the_wall_clock_is_set_back(tmp_path: Path) -> None:
    frames = [
        *segment(entry("a:1")),
        *messages(delta("a:1", 11), every=50),
        *segment(entry("a:1"), wall=WALL + 10),
    ]
    times = [moment.at for moment in read(write(tmp_path / "a.zrec", frames))]
    assert times == sorted(times)


def test_only_the_owner_can_read_the_file(tmp_path: Path) -> None:
    path = small(tmp_path / "a.zrec")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes a file of another user's")
def test_a_file_of_another_user_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.zrec"
    path.touch(0o644)
    os.chown(path, 12345, 12345)
    with pytest.raises(RecordingError, match="belongs to another user"):
        RecordingWriter(path)
    assert path.read_bytes() == b""


@pytest.mark.parametrize("content", [b"hello", b"ZIREC\x00\x02\n", b"\x00" * 100])
def test_a_file_that_is_not_a_recording_is_neither_read_nor_written(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    for use in (Recording, RecordingWriter):
        with pytest.raises(RecordingError, match=r"other: (not a recording|.*version 2)"):
            use(path)
    assert path.read_bytes() == content


def test_a_missing_file_or_a_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        Recording(tmp_path / "none.zrec")
    with pytest.raises(RecordingError, match="No such file"):
        RecordingWriter(tmp_path / "none" / "a.zrec")
    with pytest.raises(RecordingError, match="not a file that can be recorded to"):
        RecordingWriter(tmp_path)
    with pytest.raises(RecordingError):
        Recording(tmp_path)


def test_a_recording_damaged_in_the_middle_is_not_overwritten(whole: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.zrec"
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 1
    path.write_bytes(damaged)
    with pytest.raises(RecordingError, match="damaged at byte"):
        RecordingWriter(path)
    assert path.read_bytes() == damaged


def test_a_file_locked_by_another_recorder_is_refused(tmp_path: Path) -> None:
    path = small(tmp_path / "a.zrec")
    with path.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(RecordingError, match="another process records to it"):
            RecordingWriter(path)


def test_a_new_file_that_another_recorder_locks_first_is_left_to_that_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zrec"
    others: list[RecordingWriter] = []
    lock = RecordingWriter._lock

    def too_late(self: RecordingWriter) -> None:
        monkeypatch.setattr(RecordingWriter, "_lock", lock)
        others.append(RecordingWriter(path))
        lock(self)

    monkeypatch.setattr(RecordingWriter, "_lock", too_late)
    with pytest.raises(RecordingError, match="another process records to it"):
        RecordingWriter(path)
    for frame, wall in segment(entry("a:1")):
        others[0].add(frame, wall)
    others[0].close()
    assert len(read(path)) == 1


def test_an_empty_recording_leaves_no_file(tmp_path: Path) -> None:
    path = tmp_path / "a.zrec"
    with RecordingWriter(path):
        assert path.exists()
    assert not path.exists()


def test_a_block_is_written_after_some_seconds_without_more_messages(tmp_path: Path) -> None:
    path = tmp_path / "a.zrec"
    with RecordingWriter(path) as writer:
        for frame, wall in segment(entry("a:1")):
            writer.add(frame, wall)
        writer.flush_old(WALL + BLOCK_SECONDS - 0.1)
        assert read(path) == []
        writer.flush_old(WALL + BLOCK_SECONDS)
        assert len(read(path)) == 1  # while it is being written


def test_the_file_never_exceeds_its_maximum_size(tmp_path: Path) -> None:
    whole_size = small(tmp_path / "whole.zrec").stat().st_size
    path = tmp_path / "a.zrec"
    with RecordingWriter(path, max_size=whole_size // 2) as writer:
        for frame, wall in [*segment(entry("a:1")), *messages(*[delta("a:1", 11)] * 200)]:
            writer.add(frame, wall)
        writer.flush()
        for index in range(1000):
            writer.add(Frame(MESSAGE, index, tuple(delta("a:1", index + 12))), WALL + 200 + index)
        assert writer.full
    assert path.stat().st_size <= whole_size // 2
    assert len(read(path)) > 1


def test_a_snapshot_that_does_not_fit_leaves_no_file_and_says_what_it_needs(tmp_path: Path) -> None:
    path = tmp_path / "a.zrec"
    text = random.Random(1).randbytes(3000).hex()
    with RecordingWriter(path, max_size=2000) as writer:
        for frame, wall in [*segment(entry("a:1", note=text)), *messages(delta("a:1", 11))]:
            writer.add(frame, wall)
    assert not path.exists()
    assert 3000 < writer.needed < 4500
    assert len(writer.left_out) == 3


NO_SPACE = """
import sys
from pathlib import Path
from tests.recording.building import small, segment, entry, messages, delta
from zinfo.recording import RecordingWriter
from zinfo.errors import RecordingError

writer = RecordingWriter(sys.argv[1])
try:
    for round in range(100):
        begin = segment(entry("a:1", note=str(round) * 50))
        for frame, wall in [*begin, *messages(delta("a:1", 11))]:
            writer.add(frame, wall)
except RecordingError as error:
    print(error)
"""


def test_a_full_disk_leaves_complete_blocks(tmp_path: Path) -> None:
    path = tmp_path / "a.zrec"

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, 4000))

    done = subprocess.run(
        [sys.executable, "-c", NO_SPACE, str(path)],
        cwd=ROOT,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "a.zrec: File too large; all previous blocks are complete" in done.stdout, done.stderr
    with Recording(path) as recording:
        assert recording.summary().truncated == 0
        assert len(list(recording)) > 4
    assert 2000 < path.stat().st_size <= 4000


def test_the_names_of_zinfo_0_1_work_with_a_warning(tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match="is now called Segment"):
        assert zinfo.recording.Span is Segment
    with pytest.warns(DeprecationWarning, match="is now called LabelUpdate"):
        assert zinfo.recording.Described is zinfo.recording.LabelUpdate
    with Recording(small(tmp_path / "a.zrec")) as recording:
        with pytest.warns(DeprecationWarning, match="`truncated` instead of `cut`"):
            assert recording.summary().cut == 0
        first = next(iter(recording)).update
    assert isinstance(first, Segment)
    with pytest.warns(DeprecationWarning, match="`complete` instead of `whole`"):
        assert first.whole
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        zinfo.recording.Nothing  # type: ignore[attr-defined]  # noqa: B018 - it has to raise
