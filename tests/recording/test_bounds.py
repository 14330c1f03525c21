"""The memory of a recording is limited by its size, and real recordings are within the limit."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.daemons import ROOT
from tests.promises import Promise
from tests.recording.building import INFO, delta, entry, head, messages, segment, write
from zinfo.errors import ProtocolError
from zinfo.recording import Recording, Segment
from zinfo.recording import frames as frames_module
from zinfo.recording.bounds import Bounds, count_values
from zinfo.recording.frames import MAGIC, PAGE, SEGMENT, STARTS_SEGMENT, Frame, encode_frame
from zinfo.wire.bus_messages import KIND_INFO, topic
from zinfo.wire.codec import array_header, pack, unpack

MAX_MB = 300
"""Limit of the resident memory of a process that reads one of these recordings, in MB."""

MANY = 20 << 20


def page(value: bytes, count: int) -> bytes:
    """A page with one entry, whose INFO has a list of many equal values."""
    one = pack(entry("a", info={"x": 7}))
    before, _, after = one.partition(pack("x") + b"\x07")
    return array_header(1) + before + pack("x") + array_header(count) + value * count + after


def bomb(path: Path, *pages: bytes) -> Path:
    """Write a recording with maximum compression, each page a block; no zinfo does that."""
    pages_due = len(pages) + 1  # never complete, so that the pages stay in memory
    frames = [Frame(SEGMENT, 0.0, (pack(head(pages=pages_due)),))]
    frames += [Frame(PAGE, 0.0, (one,)) for one in pages]
    data = MAGIC
    for index, frame in enumerate(frames):
        plain = encode_frame(frame)
        packed = zlib.compress(plain, 9)
        flags = 0 if index else STARTS_SEGMENT
        header = frames_module._HEADER.pack(b"ZIB\n", flags, len(packed), len(plain), 1.0, 1.0)
        crc = zlib.crc32(packed, zlib.crc32(header))
        data += header + frames_module._CRC.pack(crc) + packed
    path.write_bytes(data)
    return path


BOMBS: dict[str, Callable[[], list[bytes]]] = {
    "texts of two characters": lambda: [page(b"\xa2ab", MANY)],
    "empty maps": lambda: [page(b"\x80", MANY)],
    "maps of one pair": lambda: [page(b"\x81\xa0\xc0", MANY)],
    "numbers": lambda: [page(b"\xcd\x10\x00", MANY)],
    "one text": lambda: [page(b"\xdb" + (60 << 20).to_bytes(4, "big") + b"a" * (60 << 20), 1)],
    "many small blocks": lambda: [page(b"\x80", 1 << 16)] * 400,
    "within its bytes, maps": lambda: [page(b"\x80", 3 << 20)],
    "within its bytes, texts": lambda: [page(b"\xa2ab", 1 << 20)],
}


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="no /proc/self/status on this system"
)
def test_small_files_take_little_memory(tmp_path: Path, promise: Promise) -> None:
    paths = [
        bomb(tmp_path / f"{number}.zrec", *pages()) for number, pages in enumerate(BOMBS.values())
    ]
    program = (
        "import re, sys\n"
        "from pathlib import Path\n"
        "from zinfo.errors import RecordingError\n"
        "from zinfo.recording import Recording\n"
        "for path in sys.argv[1:]:\n"
        "    error = ''\n"
        "    try:\n"
        "        list(Recording(path))\n"
        "    except RecordingError as caught:\n"
        "        error = str(caught)\n"
        "    status = Path('/proc/self/status').read_text()\n"
        "    print(int(re.search(r'VmHWM:\\s*(\\d+) kB', status)[1]) // 1024, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *map(str, paths)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=100,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(BOMBS)
    for kind, path, line in zip(BOMBS, paths, lines, strict=True):
        megabytes, _, error = line.partition(" ")
        promise(
            f"a recording of {path.stat().st_size // 1024} KiB: {kind}",
            f"refused within {MAX_MB} MB",
            f"{megabytes} MB; {error.partition(': ')[2]}",
        )
        assert int(megabytes) < MAX_MB
        assert "cannot be read" in error


def differing(number: int) -> dict[str, object]:
    """Fields that differ between idle shards with the same configuration."""
    run_id = f"{number * 7919**9 % 2**160:040x}"
    return {"run_id": run_id, "used_memory": 1_000_000 + 37 * number, "uptime": 13 * number}


def test_a_recording_of_similar_shards_can_be_read(tmp_path: Path) -> None:
    stats = {f"cmdstat_c{number}": {"calls": 1, "usec": 2} for number in range(100)}
    entries = [
        entry(f"db-{number}", info={**INFO, **stats, **differing(number)}) for number in range(1000)
    ]
    path = write(tmp_path / "a.zrec", segment(*entries))
    size = path.stat().st_size
    with Recording(path) as recording:
        (moment,) = recording
    assert isinstance(moment.update, Segment)
    assert len(moment.update.entries) == 1000
    assert size < 300_000  # compressed, not stored with level 0


@pytest.mark.parametrize("value", ["a" * (5 << 20), ["ab"] * (1 << 20), [{}] * (1 << 19)])
def test_a_recording_of_unusual_values_can_be_read(value: object, tmp_path: Path) -> None:
    said = [delta("a", number, x=value) for number in range(1, 4)]
    path = write(tmp_path / "a.zrec", [*segment(entry("a")), *messages(*said)])
    with Recording(path) as recording:
        assert len(list(recording)) == 4
    assert topic(KIND_INFO, "a")


@given(
    st.recursive(
        st.none() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_values_are_counted(value: object) -> None:
    def count(one: object) -> int:
        if isinstance(one, dict):
            return 1 + len(one) + sum(map(count, one.values()))
        return 1 + sum(map(count, one)) if isinstance(one, list) else 1

    data = msgpack.packb(value)
    assert count_values(data, 1 << 30) == count(value)
    assert count_values(data, 0) == 1


def test_a_container_that_claims_more_values_than_bytes_is_rejected() -> None:
    for data in (b"\xdd\xff\xff\xff\xff", b"\xdf\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff" * 100):
        with pytest.raises(ProtocolError, match="not valid msgpack"):
            unpack(data)
        assert count_values(data, 1000) <= 101


def test_values_of_usual_blocks_are_not_counted() -> None:
    bounds = Bounds()
    bounds.begin(32_000, 1000)
    bounds.take([array_header(1 << 24) + b"\x80" * (1 << 20)])
