"""Test vectors of the wire: bytes and the values that each client has to encode or decode.

`python -m tests.protocol_vectors` writes tests/data/protocol/. The bytes are made by msgpack, or by
hand if their encoding is unusual; none are made by zinfo's own code.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgpack

DIRECTORY = Path(__file__).parent / "data" / "protocol"

MAGIC = b"ZI1"
EPOCH = 2**48 - 2
TIME = 1795424703.25

Vector = dict[str, Any]

INTEGERS = {
    f"edge_{number}": number
    for edge in (0, 2**5, 2**7, 2**8, 2**15, 2**16, 2**31, 2**32, 2**53, 2**63)
    for number in (edge - 1, edge, edge + 1, -edge - 1, -edge)
    if -(2**63) <= number < 2**64
} | {"largest": 2**64 - 1}
"""Integers on both sides of each limit of msgpack's encodings and of doubles."""

FLOATS = {"zero": 0.0, "tenth": 0.1, "tiny": 5e-324, "huge": 1.7976931348623157e308, "never": 1e38}

TEXTS = {f"long_{length}": "x" * length for length in (0, 31, 32, 255, 256)} | {
    "non_ascii": "käse \N{SNOWMAN} \N{PILE OF POO} ~100%",
    "control": 'tab\t, quote", backslash\\, nul\0, escape\x1b',
    "escaped": "no UTF-8: \\xff\\xfe",
}

INFO: dict[str, Any] = {
    "role": "master",
    "redis_version": "7.0.15",
    "used_memory": 990600,
    "maxmemory": 2**64 - 1,
    "mem_fragmentation_ratio": 1.5,
    "db0": {"keys": 3, "expires": 0, "avg_ttl": 0},
    "db1": {},
    "module": [{"name": "a"}, {"name": "ü", "options": ["x", "y"]}],
    "slave0": {"ip": "10.0.0.7", "port": 6379, "lag": 0},
    "executable": "",
}


def _named(shard: str) -> dict[str, Any]:
    """Return the keys with which a map names its shard."""
    return {"id": shard, "shard_identifier": shard}


META = {
    "shard_identifier": "db-1:6379",
    "id": "db-1:6379",
    "info_age": 0.25,
    "state": "up",
    "revision": 42,
    "time": TIME,
}

SHARD = {
    **_named("käse~1"),
    "labels": {"dc": "köln", "empty": ""},
    "state": "up",
    "reason": "",
    "since": TIME - 3600,
    "role": "master",
    "version": "8.1.8",
    "run_id": "6855c9b4f4b1c9f0f4d1e2b3a495867712345678",
    "interval": 0.5,
    "age": 0.25,
    "revision": 2**53 + 1,
    "failures": 0,
    "error": "",
}

NEW_SHARD: dict[str, Any] = {
    **SHARD,
    **_named("db-2:6379"),
    "labels": {},
    "state": "down",
    "reason": "refused",
    **dict.fromkeys(("since", "role", "version", "run_id", "interval", "age")),
    "revision": 0,
    "failures": 3,
    "error": "Connection refused",
}

SOURCE: dict[str, Any] = {
    "name": "käse",
    "type": "http",
    "state": "failed",
    "shards": 4812,
    "owned": 4800,
    "missing": 7,
    "held": 7,
    "skipped": {"no credentials for 10.99.1.4": 2},
    "notes": ["seed b: knows only itself, no vote"],
    "error": "HTTP status 503",
    "failures": 3,
    "last_success": TIME,
    "age": 125.5,
    "last_duration": 0.25,
    "reads": 40,
    "failed_reads": 3,
    "added": 4812,
    "removed": 0,
}

SOURCE_IN_PART: dict[str, Any] = {
    **dict.fromkeys(SOURCE),
    **{name: SOURCE[name] for name in ("name", "type", "state", "last_success", "age")},
    "shards": 2,
}
"""As a client gets it that cannot see all shards."""

EVENT: dict[str, Any] = {
    "shard": "db-1:6379",
    **_named("db-1:6379"),
    "type": "down",
    "old": "up",
    "new": "down",
    "reason": "refused",
    "message": "Connection refused",
    "number": 17,
    "seq": 5,
    "time": TIME,
}

RELABELLED: dict[str, Any] = {
    "shard": "db-1:6379",
    **_named("db-1:6379"),
    "type": "labels_changed",
    "old": None,
    "new": None,
    "reason": "",
    "message": "dc=köln, empty=",
    "number": 18,
    "seq": 6,
    "time": TIME,
    "labels": {"dc": "köln", "empty": ""},
}

TOTALS = {
    "interval": 1.0,
    "shards": 2,
    "events": 17,
    "revisions": 2**53 + 1,
    "query": "tcp://127.0.0.1:9736",
    "bus": "tcp://127.0.0.1:9737",
    "lag": 0.0,
}

QUOTED = {
    "db-1:6379": "db-1:6379",
    "/run/redis.sock": "%2Frun%2Fredis.sock",
    "[::1]:6379": "%5B::1%5D:6379",
    "käse~100%": "k%C3%A4se%7E100%25",
    "a b+c": "a%20b%2Bc",
    "%41": "%2541",
    "\N{SNOWMAN}\N{PILE OF POO}": "%E2%98%83%F0%9F%92%A9",
    "tab\tnul\0": "tab%09nul%00",
    "ABCXYZabcxyz0189._:-@": "ABCXYZabcxyz0189._:-@",
    "!\"#$&'()*,;<=>?\\^`{|}": "%21%22%23%24%26%27%28%29%2A%2C%3B%3C%3D%3E%3F%5C%5E%60%7B%7C%7D",
}
"""Ids, and their form in topics."""

QUOTED_FIELDS = {"ö": "%C3%B6", "käse": "k%C3%A4se", "a/b,c%~": "a%2Fb%2Cc%25%7E"}
"""Names of fields, and their form in topics."""


def requests() -> Iterator[Vector]:
    """Yield requests; `meaning` has a deadline only if the request has one."""
    every = {
        "shard_ids": ["db-1:6379", "käse~1"],
        "keys": ["db", "used_memory"],
        "prefix_matching": True,
        "sections": ["Memory", "keyspace"],
        "labels": {"dc": "köln", "empty": ""},
        "with_labels": True,
        "max_age": 0.5,
        "allow_partial": True,
        "refresh": True,
        "limit": 70000,
        "cursor": "käse~1",
    }
    asked: dict[str, tuple[Any, ...]] = {
        "no arguments": (1, "hello", {}),
        "every argument of get_infos": (2, "get_infos", every, 2.5),
        "arguments at their defaults": (
            3,
            "get_infos",
            {"shard_ids": [], "keys": [], "labels": {}, "max_age": 0, "limit": 0, "cursor": None},
        ),
        "one text for an array of one": (4, "get_infos", {"shard_ids": "a", "keys": "role"}),
        "shards with labels": (5, "shards", {"ids": ["a"], "labels": {"role": "cache"}}),
        "snapshot of topics": (6, "snapshot", {"topics": ["z1/delta/", "z1/info/k%C3%A4se/"]}),
        "events since a large number": (7, "events", {"since": 2**53 - 1, "ids": ["a"]}),
        "more arguments than fit a byte": (8, "x", {f"argument_{n}": n for n in range(20)}),
        "more shards than fit a byte": (9, "shards", {"ids": [f"shard-{n}" for n in range(20)]}),
        "a long text": (10, "shards", {"ids": ["x" * 300]}),
        "no id": (None, "stats", {}),
        "text as id": ("käse", "ping", {}),
        "a negative id": (-7, "ping", {}),
        "a deadline of a whole second": (11, "ping", {}, 1.0),
        "sources": (12, "sources", {}),
        "accept_source": (13, "accept_source", {"name": "käse"}),
        "columns": (14, "get_columns", {"keys": ["role"], "ids_revision": 2**48 - 1, "limit": 5}),
        "history": (15, "history", {"shard_ids": ["a"], "fields": ["ops"], "since": 1796020330.5}),
    }
    for name, (ident, op, args, *deadline) in asked.items():
        meaning = {"id": ident, "op": op, "args": args}
        if deadline:
            meaning["deadline"] = deadline[0]
        yield {"name": name, "frames": _hex(MAGIC, msgpack.packb(meaning)), "meaning": meaning}


def replies() -> Iterator[Vector]:
    """Yield replies; `body` is absent if the reply has none."""
    hello = {
        "node": "zinfo-ä",
        "epoch": EPOCH,
        "zinfo": "0.1.0",
        "versions": [1],
        "bus": ["tcp://127.0.0.1:9737"],
        "heartbeat": 1.0,
        "kinds": ["info", "delta", "event", "hb", "batch", "fields"],
        "ops": ["events", "get_infos", "hello"],
        "limits": {"max_request_bytes": 65536, "max_reply_bytes": 4194304, "refresh_floor": 0.1},
    }
    error_meta = {
        "shard_identifier": "käse",
        "id": "käse",
        "info_age": 1e38,
        "error": "shard käse not found",
    }
    rights = {"shards": ["cache-"], "withheld": ["executable"]}
    entry = {**SHARD, "shard": SHARD["id"], "time": TIME, "seq": 4, "info": INFO}
    unpolled = {**NEW_SHARD, "shard": NEW_SHARD["id"], "time": None, "seq": 1, "info": None}
    answered: dict[str, tuple[Any, ...]] = {
        "hello": ({}, hello),
        "hello to a client with rights": ({}, {**hello, "rights": rights}),
        "get_infos": ({}, [{**INFO, "meta": META}]),
        "get_infos, first page": ({"cursor": "käse~1"}, [{"role": "slave", "meta": META}]),
        "get_infos, nothing": ({}, []),
        "get_infos, no field": ({}, [{"meta": META}]),
        "get_infos, labels": ({}, [{"meta": {**META, "labels": SHARD["labels"]}}]),
        "get_infos, in part": ({}, [{"meta": error_meta}, {"role": "master", "meta": META}]),
        "get_infos, all integers": ({}, [{**INTEGERS, "meta": META}]),
        "get_infos, all floats": ({}, [{**FLOATS, "meta": META}]),
        "get_infos, all texts": ({}, [{**TEXTS, "meta": META}]),
        "get_infos, many": ({}, [{"n": n, "meta": META} for n in range(20)]),
        "shards": ({}, [SHARD, NEW_SHARD]),
        "snapshot": ({"number": 17}, [entry, unpolled]),
        "events": ({"oldest": 3, "newest": 17}, [EVENT, RELABELLED]),
        "stats": ({}, {"uptime": 12.5, "poll": {"ok": 5, "failed": {}}}),
        "ping": ({}, TIME),
        "sources": ({}, [SOURCE, SOURCE_IN_PART]),
        "accept_source": ({}, 7),
    }
    for number, (name, (more, body)) in enumerate(answered.items()):
        header = {"id": number, "ok": True, "node": "zinfo-ä", "epoch": EPOCH, **more}
        frames = _hex(MAGIC, msgpack.packb(header), msgpack.packb(body))
        yield {"name": name, "frames": frames, "header": header, "body": body}
    errors = {
        "bad_request": False,
        "unsupported_version": False,
        "unknown_op": False,
        "unknown_shard": False,
        "not_polled": True,
        "not_allowed": False,
        "busy": True,
        "deadline": True,
        "too_large": False,
        "changed": True,
        "internal": False,
        "of_a_later_version": True,
    }
    for code, retryable in errors.items():
        error = {"code": code, "message": f"käse: {code}", "retryable": retryable}
        header = {"id": None, "ok": False, "node": "zinfo-ä", "epoch": EPOCH, "error": error}
        if code == "unsupported_version":
            header["versions"] = [1]
        frames = _hex(MAGIC, msgpack.packb(header))
        yield {"name": f"error {code}", "frames": frames, "header": header}


def columns() -> Iterator[Vector]:
    """Yield replies of `get_columns`.

    In `body` each byte string is a map with one key, `hex`, because JSON has no byte strings.
    """
    states = ["new", "up", "loading", "busy", "down"]
    listed: Vector = {
        "ids_revision": 2**48 - 1,
        "total": 3,
        "first": 0,
        "count": 3,
        "ids": ["db-1:6379", "db-2:6379", "käse~1"],
        "age": struct.pack("<3d", 0.25, 3600.5, math.inf),
        "state": bytes([1, 4, 0]),
        "states": states,
    }
    integers = {"type": "int64", "data": struct.pack("<3q", 2**53 + 1, -(2**63), 0)}
    fractions = {"type": "float64", "data": struct.pack("<3d", 0.1, -0.0, 5.0)}
    mixed = ["master", 2**64 - 1, None], [0.5, {"keys": 3}, [{"name": "a"}]]
    every = [
        {**integers, "valid": bytes([1, 1, 0])},
        {**integers, "valid": None},
        {**fractions, "valid": None},
        {**fractions, "valid": bytes([1, 0, 1])},
        *({"type": "mixed", "data": data, "valid": None} for data in mixed),
        {"type": "int64", "data": bytes(24), "valid": bytes(3)},
    ]
    nothing = {"total": 0, "count": 0, "ids": [], "age": b"", "state": b""}
    empty = [{"type": "int64", "data": b"", "valid": None}]
    of_one = {"count": 1, "age": bytes(8), "state": b"\1"}
    first = [{"type": "int64", "data": struct.pack("<q", 1), "valid": None}]
    last = [{"type": "float64", "data": struct.pack("<q", 0), "valid": b"\0"}]
    answered: dict[str, tuple[Any, ...]] = {
        "every type": ({}, {**listed, "columns": every}),
        "the client has the ids": ({}, {**listed, "ids": None, "columns": every[:1]}),
        "with revisions": (
            {},
            {
                **listed,
                "columns": every[:1],
                "revision": struct.pack("<3q", 7, 2**53 + 1, 0),
                "time": struct.pack("<3d", 1700000000.25, 0.5, 0),
            },
        ),
        "no shards": ({}, {**listed, **nothing, "columns": empty}),
        "first page": (
            {"cursor": "281474976710655.1"},
            {**listed, **of_one, "total": 2, "ids": ["a"], "columns": first},
        ),
        "last page": (
            {},
            {**listed, **of_one, "total": 2, "first": 1, "ids": ["b"], "columns": last},
        ),
        "of a later version": (
            {},
            {
                **listed,
                "states": [*states, "ä"],
                "state": b"\5\1\1",
                "columns": [],
                "x": 1,
            },
        ),
    }
    for number, (name, (more, body)) in enumerate(answered.items()):
        header = {"id": number, "ok": True, "node": "zinfo-ä", "epoch": EPOCH, **more}
        frames = _hex(MAGIC, msgpack.packb(header), msgpack.packb(body))
        yield {"name": name, "frames": frames, "header": header, "body": with_hex(body)}


def history() -> Iterator[Vector]:
    """Yield replies of `history`; byte strings as in `columns`."""
    page: Vector = {
        "step": 5.0,
        "newest": 1796020345.0,
        "points": 3,
        "ids": ["db-1:6379", "käse~1"],
    }
    some = struct.pack("<6f", 12.5, math.nan, 0.25, -0.0, 1e30, 16777216)
    answered: dict[str, tuple[Any, ...]] = {
        "values": ({}, {**page, "fields": {"ops": some, "lag": None}}),
        "first page": ({"cursor": "360.3.käse~1"}, {**page, "fields": {"memory": some}}),
        "no shards": ({}, {**page, "ids": [], "fields": {"ops": b"", "lag": None}}),
        "no values": ({}, {**page, "points": 0, "fields": {"ops": b"", "lag": None}}),
        "of a later version": ({}, {**page, "step": 0.5, "fields": {"ä": some}, "x": 1}),
    }
    for number, (name, (more, body)) in enumerate(answered.items()):
        header = {"id": number, "ok": True, "node": "zinfo-ä", "epoch": EPOCH, **more}
        frames = _hex(MAGIC, msgpack.packb(header), msgpack.packb(body))
        yield {"name": name, "frames": frames, "header": header, "body": with_hex(body)}


def with_hex(value: Any) -> Any:
    """Return a value with maps in place of byte strings, as JSON can represent it."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, dict):
        return {key: with_hex(item) for key, item in value.items()}
    return list(map(with_hex, value)) if isinstance(value, list) else value


def bus() -> Iterator[Vector]:
    """Yield messages of the bus: kind, name (shard, node or nonce), header, body."""
    whole = {"set": INFO, "unset": [], "base": 0}
    some = {"set": {"db0": {"keys": 4}, "ü": "ä"}, "unset": ["db1", "ö"], "base": 2**53 + 1}
    published: dict[str, tuple[Any, ...]] = {
        "info": ("info", "db-1:6379", 42, INFO),
        "info without a field": ("info", "db-1:6379", 43, {}),
        "info, all integers": ("info", "db-1:6379", 44, INTEGERS),
        "info, all floats": ("info", "db-1:6379", 45, FLOATS),
        "info, all texts": ("info", "db-1:6379", 46, TEXTS),
        "delta of nothing": ("delta", "db-1:6379", 1, whole),
        "delta": ("delta", "db-1:6379", 2**53 + 2, some),
        "delta that changes nothing": ("delta", "a", 3, {"set": {}, "unset": [], "base": 2}),
        "event": ("event", "db-1:6379", 5, EVENT),
        "event of a later version": ("event", "db-1:6379", 5, {**EVENT, "type": "ä", "more": 1}),
        "event of a new shard": (
            "event",
            "käse~1",
            1,
            {
                **EVENT,
                "shard": "käse~1",
                **_named("käse~1"),
                "type": "added",
                "old": None,
                "new": "new",
                "seq": 1,
                "labels": {},
            },
        ),
        "event with labels": ("event", "db-1:6379", 6, RELABELLED),
        "event of the daemon": (
            "event",
            "",
            9,
            {
                **EVENT,
                "shard": "",
                **_named(""),
                "type": "saturated",
                "old": "no",
                "new": "yes",
                "seq": 9,
            },
        ),
        "event of a source of shards": (
            "event",
            "",
            10,
            {
                **EVENT,
                "shard": "",
                **_named(""),
                "type": "source_held",
                "old": None,
                "new": None,
                "seq": 10,
                "reason": "käse",
                "message": "7 of 12 shards that reply are missing",
            },
        ),
        "heartbeat": ("hb", "zinfo-ä", 60, TOTALS),
        "heartbeat of a later version": ("hb", "zinfo-ä", 61, {**TOTALS, "more": {}}),
        "fence": ("fence", "4f2a", 0, TOTALS),
    }
    for name, (kind, of, seq, body) in published.items():
        yield _message(name, kind, of, [1, "zinfo-ä", EPOCH, seq, TIME], body)
    for ident in QUOTED:
        header = [1, "zinfo-ä", EPOCH, 2, TIME]
        yield _message(f"info of {ident}", "info", ident, header, {"role": "master"})
    longer = [1, "zinfo-ä", EPOCH, 60, TIME, {"more": True}, "and more"]
    yield _message("a header of a later version", "hb", "zinfo-ä", longer, TOTALS)


def _message(name: str, kind: str, of: str, header: list[Any], body: Any) -> Vector:
    topic = f"~fence/{of}" if kind == "fence" else f"z1/{kind}/{_quoted(of)}/"
    frames = _hex(topic.encode(), msgpack.packb(header), msgpack.packb(body))
    return {
        "name": name,
        "frames": frames,
        "kind": kind,
        "of": of,
        "header": header,
        "body": body,
    }


def _quoted(ident: str) -> str:
    return {**QUOTED, "käse~1": "k%C3%A4se%7E1", "zinfo-ä": "zinfo-%C3%A4", "": "", "a": "a"}[ident]


def topics() -> Iterator[Vector]:
    """Yield topics of ids, and the prefixes of all topics of a kind."""
    for kind in ("info", "delta", "event", "hb"):
        yield {"kind": kind, "of": None, "topic": f"z1/{kind}/".encode().hex()}
        for ident, quoted in QUOTED.items():
            yield {"kind": kind, "of": ident, "topic": f"z1/{kind}/{quoted}/".encode().hex()}


def batches() -> Iterator[Vector]:
    """Yield batches of deltas: names of the fields (None for all), header, and messages."""
    deltas = [
        _message(f"delta {number}", "delta", ident, [1, "zinfo-ä", EPOCH, number, TIME], body)
        for number, (ident, body) in enumerate(
            [
                ("db-1:6379", {"set": {"role": "master"}, "unset": ["ö"], "base": 2**53 + 1}),
                ("käse~1", {"set": {}, "unset": [], "base": 0}),
                ("a", {"set": {"x": "x" * 300}, "unset": [], "base": 1}),
            ],
            2,
        )
    ]
    made: dict[str, tuple[list[str] | None, list[Vector]]] = {
        "batch": (None, deltas[:2]),
        "batch of one": (None, deltas[2:]),
        "batch of nothing": (None, []),
        "batch of many": (None, deltas[:1] * 20),
        "fields": (["role", "ö"], deltas[:2]),
        "a field": (["a/b,c%~"], deltas[1:2]),
        "fields, sorted": (["role", "Role", "käse", "db0", "db10"], deltas[1:2]),
    }
    for number, (name, (names, messages)) in enumerate(made.items(), 1):
        topic = "z1/batch/"
        if names is not None:
            quoted = (QUOTED_FIELDS.get(one, one) for one in sorted(names))
            topic = f"z1/fields/{','.join(quoted)}/"
        header = [1, "zinfo-ä", EPOCH, number, TIME]
        body = [list(map(bytes.fromhex, message["frames"])) for message in messages]
        frames = _hex(topic.encode(), msgpack.packb(header), msgpack.packb(body))
        yield {
            "name": name,
            "frames": frames,
            "fields": names and sorted(names),
            "header": header,
            "messages": [message["frames"] for message in messages],
        }


def values() -> Iterator[Vector]:
    """Yield values in encodings that msgpack allows and zinfo does not produce."""
    odd = {
        "7 in 8 bits": (b"\xcc\x07", 7),
        "7 in 16 bits": (b"\xcd\x00\x07", 7),
        "7 in 32 bits": (b"\xce\x00\x00\x00\x07", 7),
        "7 in 64 bits": (b"\xcf" + struct.pack(">Q", 7), 7),
        "7 in 64 bits with a sign": (b"\xd3" + struct.pack(">q", 7), 7),
        "-7 in 64 bits": (b"\xd3" + struct.pack(">q", -7), -7),
        "-7 in 8 bits": (b"\xd0\xf9", -7),
        "half in 32 bits": (b"\xca" + struct.pack(">f", 0.5), 0.5),
        "text with a length of 8 bits": (b"\xd9\x02\xc3\xa4", "ä"),
        "text with a length of 16 bits": (b"\xda\x00\x02\xc3\xa4", "ä"),
        "text with a length of 32 bits": (b"\xdb\x00\x00\x00\x02\xc3\xa4", "ä"),
        "array with a length of 16 bits": (b"\xdc\x00\x01\xc0", [None]),
        "array with a length of 32 bits": (b"\xdd\x00\x00\x00\x01\xc3", [True]),
        "map with a length of 16 bits": (b"\xde\x00\x01\xa1a\xc2", {"a": False}),
        "map with a length of 32 bits": (b"\xdf\x00\x00\x00\x01\xa1a\xcc\x01", {"a": 1}),
        "keys with a length of 8 bits": (b"\x81\xd9\x01a\x80", {"a": {}}),
        "ten levels": (b"\x91" * 10 + b"\x90", [[[[[[[[[[[]]]]]]]]]]]),
    }
    for name, (data, meaning) in odd.items():
        yield {"name": name, "data": data.hex(), "meaning": meaning}


def unreadable() -> Iterator[Vector]:
    """Yield bytes that are not a value."""
    for name, data in {
        "nothing": b"",
        "a type that does not exist": b"\xc1",
        "an array that is cut short": b"\x92\x01",
        "a map that is cut short": b"\x81\xa1a",
        "a text that is cut short": b"\xa5abc",
        "a number that is cut short": b"\xcf\x00\x00",
        "a value and more": b"\x01\x02",
        "a length beyond the end": b"\xdb\xff\xff\xff\xff",
    }.items():
        yield {"name": name, "data": data.hex()}


SLICED: tuple[tuple[str, dict[str, str], str, int, int], ...] = (
    ("", {}, "id", 3, 2),
    ("db-1:6379", {}, "id", 1, 1),
    ("db-1:6379", {"cluster": "orders"}, "id", 3, 1),
    *(("db-1:6379", {}, "id", count, 2) for count in (2, 3, 4, 5, 8, 9, 100, 1024)),
    *((f"10.0.0.{number}:6379", {}, "id", 3, 2) for number in range(1, 9)),
    *(("db-2:6379", {}, "id", 8, copies) for copies in range(1, 9)),
    *(("db-2:6379", {}, "id", copies, copies) for copies in range(1, 9)),
    *(("unix~/run/redis.sock", {}, "id", count, 3) for count in (3, 7, 1023)),
    *((name, {}, "id", 7, 2) for name in ("käse~1", "\N{PILE OF POO}", "0", "x" * 512)),
    ("db-3:6379", {"cluster": "orders"}, "cluster", 3, 2),
    ("db-4:6379", {"cluster": "orders", "id": "db-3:6379"}, "cluster", 3, 2),
    ("db-4:6379", {"site": "fra"}, "cluster", 3, 2),
    ("db-4:6379", {"cluster": ""}, "cluster", 3, 2),
    ("db-4:6379", {"cluster": "k\N{LATIN SMALL LETTER A WITH DIAERESIS}se"}, "cluster", 3, 2),
    ("db-4:6379", {"id": "db-3:6379"}, "id", 3, 2),
)
"""Id and labels of a shard; the key of the slices, their number, and the number of copies."""


def slices() -> Iterator[Vector]:
    """Yield the slices of shards; floats are calculated with integers."""
    for ident, labels, by, count, copies in SLICED:
        key = ident if by == "id" else labels.get(by, ident)
        digests: list[str] = []
        chosen: list[int] = []
        while len(chosen) < copies:
            text = f"{len(digests)}:{key}".encode()
            digests.append(hashlib.blake2b(text).hexdigest()[:16])
            number = _bucket(int.from_bytes(bytes.fromhex(digests[-1]), "little"), count)
            chosen += [] if number in chosen else [number]
        shard = {"id": ident, "labels": labels, "by": by, "count": count, "copies": copies}
        yield {**shard, "key": key, "digests": digests, "slices": chosen}


def _bucket(state: int, count: int) -> int:
    """Return the jump consistent hash of a 64-bit number, without floats."""
    bucket = following = 0
    while following < count:
        bucket = following
        state = (state * 2862933555777941757 + 1) % 2**64
        step = _double(Fraction(2**31, (state >> 33) + 1))
        following = int(_double((bucket + 1) * step))
    return bucket


def _double(value: Fraction) -> Fraction:
    """Return the double that is nearest to a value from 1 to 2**53; of two, the even one."""
    ulp = Fraction(2) ** (int(value).bit_length() - 53)
    return round(value / ulp) * ulp


def _hex(*frames: bytes) -> list[str]:
    return [frame.hex() for frame in frames]


FILES = {
    "requests": requests,
    "replies": replies,
    "columns": columns,
    "history": history,
    "bus": bus,
    "topics": topics,
    "batches": batches,
    "values": values,
    "unreadable": unreadable,
    "slices": slices,
}
"""File name to the function that yields its vectors."""


def write(directory: Path) -> None:
    """Write all vectors: one file for each kind, one line for each vector."""
    for name, make in FILES.items():
        lines = ",\n".join(json.dumps(vector, ensure_ascii=False) for vector in make())
        (directory / f"{name}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def read(name: str) -> list[Vector]:
    """Return the vectors in a file of the repository."""
    vectors = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    assert isinstance(vectors, list)
    return vectors


def frames_of(vector: Vector) -> list[bytes]:
    """Return the frames of a message."""
    return [bytes.fromhex(frame) for frame in vector["frames"]]


if __name__ == "__main__":
    write(DIRECTORY)
