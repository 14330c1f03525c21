"""The page recording.md is correct: a reader written from its tables reads a recording of zinfo."""

from __future__ import annotations

import re
import struct
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgpack
import pytest

from tests.cli.running import zinfo
from tests.daemons import ROOT
from tests.recording.building import WALL, delta, entry, messages, segment, small, write
from zinfo.recording.session import BREAK_NAMES

PAGE = (ROOT / "docs" / "reference" / "recording.md").read_text()


def frames_by_the_page(data: bytes) -> Iterator[tuple[int, float, list[bytes]]]:
    """Kind, seconds and parts of each frame, decoded as the page describes."""
    assert data[:8].hex(" ") == "5a 49 52 45 43 00 01 0a"
    at = 8
    while at < len(data):
        assert data[at : at + 4].hex(" ") == "5a 49 42 0a"
        _flags, packed, plain, first, last, crc = struct.unpack(">BIIddI", data[at + 4 : at + 33])
        assert WALL <= first <= last
        body = data[at + 33 : at + 33 + packed]
        assert crc == zlib.crc32(data[at : at + 29] + body)
        frames = zlib.decompress(body)
        assert len(frames) == plain
        at += 33 + packed
        while frames:
            (length,) = struct.unpack(">I", frames[:4])
            frame, frames = frames[4 : 4 + length], frames[4 + length :]
            kind, microseconds, count = struct.unpack(">BQB", frame[:10])
            parts, rest = [], frame[10:]
            for _ in range(count):
                (size,) = struct.unpack(">I", rest[:4])
                parts.append(rest[4 : 4 + size])
                rest = rest[4 + size :]
            assert not rest
            yield kind, microseconds / 1e6, parts


def test_a_reader_written_from_the_page_reads_a_recording(tmp_path: Path) -> None:
    said = [delta("db-1:6379", 11), delta("db-1:6379", 12)]
    path = write(tmp_path / "a.zrec", [*segment(entry("db-1:6379")), *messages(*said)])
    (head_kind, _, head), (page_kind, _, page), *rest = frames_by_the_page(path.read_bytes())
    assert (head_kind, page_kind) == (1, 2)
    assert msgpack.unpackb(page[0]) == [entry("db-1:6379")]
    assert [(kind, at, parts) for kind, at, parts in rest] == [(3, 0.5, said[0]), (3, 1.0, said[1])]
    table = PAGE[PAGE.index("| key of the head") : PAGE.index("A **break**")]
    assert set(re.findall(r"`(\w+)`", table)) == set(msgpack.unpackb(head[0]))


def test_the_page_names_each_break() -> None:
    for name in BREAK_NAMES.values():
        assert f"| `{name}` |" in PAGE


def test_the_program_on_the_page_runs(tmp_path: Path) -> None:
    small(tmp_path / "incident.zrec")
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "all shards: ['db-1:6379', 'db-2:6379']" in done.stdout
    assert len(done.stdout.splitlines()) == 32


@pytest.mark.parametrize("command", ["record", "replay"])
def test_each_option_on_the_page_exists(command: str) -> None:
    said = zinfo(command, "--help").stdout
    for line in re.findall(rf"^zinfo {command} .*", PAGE, re.MULTILINE):
        for option in re.findall(r"--[\w-]+", line.split("#")[0]):
            assert option in said, option


def test_reading_a_recording_loads_neither_gevent_nor_redis() -> None:
    code = (
        "import sys, zinfo.recording, zinfo.cli.record; "
        "print(sorted({'gevent', 'redis', 'psutil'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "[]"
