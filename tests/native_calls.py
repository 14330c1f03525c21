"""Calls each function of the native part, and prints the results as one JSON object.

It needs only zinfo's wheel, so that any Python without packages can run it:
`tests/packaging/built/test_native_wheel.py` does so with a wheel that another version built.
"""

from __future__ import annotations

import ctypes
import json
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from zinfo import _native  # type: ignore[attr-defined,unused-ignore]  # it is compiled
from zinfo.info.kinds import kind_of

RAW = (
    b"role:master\r\nredis_version:7.2.4\r\nused_memory:1048576\r\nratio:0.25\r\n"
    b"cmdstat_get:calls=3,usec=12,usec_per_call=4.00\r\ndb0:keys=2,expires=0,avg_ttl=0\r\n"
    b"odd:1,2=3\r\n"
)
NEXT = RAW.replace(b"1048576", b"2097152")
NAMES = ("role", "redis_version", "used_memory", "ratio", "cmdstat_get", "db0", "odd", "")
LINE_KINDS = bytes(map(kind_of, NAMES))

WANTED = ("used_memory", "role")
FIELD_NAMES = tuple(name.encode() for name in WANTED)
KINDS = bytes(map(kind_of, WANTED))

SNAPSHOT = SimpleNamespace(raw=RAW, at=90.0, revision=7, time=1700000000.5)
SHARD = SimpleNamespace(snapshot=SNAPSHOT, _snapshot=SNAPSHOT, _state=SimpleNamespace(_value_="up"))

PACKED_INFO = b"\x82\xa1a\x01\xa1b\x02"
PACKED_DELTA = b"\x83\xa3set\x81\xa1a\x05\xa5unset\x91\xa1b\xa4base\x01"
_HEADER = b"\x95\x01\xa1n\x07\x02\xcb\x3f\xf8\0\0\0\0\0\0"
PACKED_BATCH = b"".join(
    (b"\x91\x93", *(b"\xc4%c%s" % (len(part), part) for part in (b"t", _HEADER, PACKED_DELTA)))
)

FRAMES = 3
"""Frames of the message passed to `discard_frames`."""


def discard_frames() -> Any:
    """Call it with replacements of libzmq's functions that have a message of some frames."""
    left = [FRAMES]

    def receive(_message: int, _socket: int, _flags: int) -> int:
        left[0] -= 1
        return 0

    of_message = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
    of_socket = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int)
    calls = (
        of_message(lambda _message: 0),
        of_message(lambda _message: 0),
        of_message(lambda _message: int(left[0] > 0)),
        of_socket(receive),
    )
    addresses = tuple(ctypes.cast(call, ctypes.c_void_p).value for call in calls)
    return _native.discard_frames(addresses, 1, 60.0)


def fill_columns() -> Any:
    """Fill the arrays of two shards, one of which was removed; return them."""
    arrays = (
        bytearray(16),
        bytearray(2),
        (bytearray(16), bytearray(16)),
        (bytearray(2), bytearray(2)),
    )
    states = SHARD._state, "down"
    found = _native.fill_columns([SHARD, None], (FIELD_NAMES, KINDS), arrays, states, 100.0, 0)
    return [one is not None for one in found], [
        part.hex() for part in (*arrays[:2], *arrays[2], *arrays[3])
    ]


def write_row() -> Any:
    """Write the second of two rows, and copy it to columns."""
    rows = bytearray(2 * (1 + 8 + 9 * len(FIELD_NAMES)))
    _native.write_row(rows, 1, RAW, FIELD_NAMES, KINDS, 90.0)
    position = (1).to_bytes(4, sys.byteorder)
    ages, states, columns = _native.gather_rows(
        rows, bytearray(b"\0\1"), 2, position, b"\1\0", 100.0
    )
    return [part.hex() for part in (rows, ages, states, *columns[0], *columns[1])]


def write_point() -> Any:
    """Write two steps of a ring; return it."""
    ring = bytearray(64 + 32 + 8 + 4)
    ring[96:104] = b"\xff" * 8
    fields = tuple(b"f%d" % number for number in range(12))
    names, kinds = (b"used_memory", *fields), bytes([KINDS[0]]) * 13
    for step, raw in enumerate((b"used_memory:1\nf8:7\n", b"used_memory:2\nf8:9\n")):
        _native.write_point(ring, 4, step, raw, names, kinds, 5.0 * step)
    return ring.hex()


def encode_field(name: str, text: bytes) -> bytes:
    """Return a field that the native part does not encode; not as msgpack, so that it shows."""
    return f"<{name}={text!r}>".encode()


def write_samples() -> Any:
    """Write a reply with a plan that knows one of its fields and one of its maps."""
    plan = _native.Plan((0, 0, 0), (-1, -1), -1, 2, (4, 5, 6, 7, 8), (-1, -1, -1))
    plan.add_field(b"used_memory", 1, 1, (0, -1), (0, -1), 0, 1, -1, 0)
    plan.add_part(0, b"calls", 1, b"", 0)
    plan.add_part(0, b"usec", 3, b"", 6)
    plan.add_part(0, b"usec_per_call", -1, b"", 0)
    plan.add_fact(b"role", 0, -1, 0)
    lines = _native.Lines()
    replies = [('shard="a"', RAW, 1700000000, b's="up"', 0, 500000, ())]
    unknown = lines.write(plan, replies, 0, lambda _line, _place: None, 100, True, False)
    lines.add_text(0, b"text\n")
    lines.add_sample(0, b'a="b"', "1.5")
    pieces = [lines.piece(((b"# ", number, b"name"),), 0, 0, 0, 1 << 10) for number in range(9)]
    written = lines.written, lines.size(0)
    lines.undo()
    return unknown, pieces, written, lines.written, lines.clear() > 0, lines.size(0)


CALLS: dict[str, Callable[[], Any]] = {
    "encode_fields": lambda: _native.encode_fields(RAW, NAMES, LINE_KINDS, encode_field),
    "encode_deltas": lambda: _native.encode_deltas(
        RAW, NEXT, NAMES, LINE_KINDS, bytes(8 * len(NAMES)), 1, 2, 7, encode_field
    ),
    "encode_entry": lambda: _native.encode_entry(
        RAW, FIELD_NAMES, KINDS, {"meta": {"revision": 7}}
    ),
    "encode_entries": lambda: _native.encode_entries(
        ["a", "b", "c"], [SHARD, None, SHARD], FIELD_NAMES, KINDS, 100.0, 0.0, 10, 1 << 20
    ),
    "find_fields": lambda: _native.find_fields(RAW, FIELD_NAMES),
    "fits": lambda: _native.fits(RAW, NAMES, LINE_KINDS),
    "discard_frames": discard_frames,
    "write_row": write_row,
    "gather_rows": write_row,
    "write_point": write_point,
    "fill_columns": fill_columns,
    "merge_deltas": lambda: _native.merge_deltas(PACKED_INFO, (PACKED_DELTA,)),
    "read_deltas": lambda: _native.read_deltas(PACKED_BATCH, 7, {b"t": "s"}),
    "pack_batched": lambda: _native.pack_batched(b"head", b"start", 1 << 40, 1.5, b"body"),
    "fold_delta": lambda: _native.fold_delta(b"", b"\x83\xa3set\x80\xa5unset\x90\xa4base\x01"),
    "apply_deltas": lambda: _native.apply_deltas(
        PACKED_BATCH, 7, {b"t": "s"}, {}, {}, set(), 0.5, 9.0, 1 << 14, (b"a",), []
    ),
    "untrack": lambda: _native.untrack([]),
    "count_containers": lambda: _native.count_containers(b"\x92\x80\x91\x01"),
    "count_bad_lines": lambda: _native.count_bad_lines(b"a\n#b\n \n:c\nd:1"),
    "Lines": write_samples,
    "Plan": write_samples,
    "count_marks": lambda: _native.count_marks(b"a\n#b:1\n"),
}
"""Function name to a call of it."""


def main() -> None:
    """Call all functions of the native part."""
    there = sorted(name for name in dir(_native) if not name.startswith("_"))
    if missing := set(there) - set(CALLS):
        raise SystemExit(f"CALLS of {__file__} needs a call of {', '.join(missing)}")
    # The test that starts this program reads what it prints.
    print(json.dumps({name: repr(CALLS[name]()) for name in there}))  # noqa: T201


if __name__ == "__main__":
    main()
