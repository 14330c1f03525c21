"""Messages of hostile peers: msgpack bombs, malformed messages, bytes of other protocols."""

from __future__ import annotations

import random

import msgpack

from zinfo.wire.query_messages import MAGIC

BOMBS: dict[str, bytes] = {
    "deep arrays": b"\x91" * 60_000,
    "deep maps": b"\x81\xa1a" * 20_000,
    "a long array": b"\xdd\xff\xff\xff\xff",
    "a long map": b"\xdf\xff\xff\xff\xff",
    "a long text": b"\xdb\xff\xff\xff\xff",
    "long bytes": b"\xc6\xff\xff\xff\xff",
    "a long extension": b"\xc9\xff\xff\xff\xff\x01",
    "an extension": b"\xd4\x05\x00",
    "a timestamp": b"\x82\xa2op\xa4ping\xa2id\xd6\xff\x00\x00\x00\x00",
    "a timestamp out of range": b"\xc7\x0c\xff" + b"\xff" * 12,
    "text that is no UTF-8": b"\x81\xa2op\xa2\xff\xfe",
    "a nil key": b"\x82\xa2op\xa4ping\xc0\x01",
    "an array as key": b"\x82\xa2op\xa4ping\x91\x01\x02",
    "a map as key": b"\x82\xa2op\xa4ping\x80\x02",
    "keys that are numbers": b"\x82\xa2op\xa4ping\xa4args\x81\x01\x02",
    "the same key twice": b"\x82\xa2op\xa4ping\xa2op\xa5hello",
    "an unused byte": b"\xc1",
    "nothing": b"",
}
"""Bodies of requests."""

STRANGERS: dict[str, bytes] = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(200)),
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "Redis": b"*1\r\n$4\r\nINFO\r\n",
    "zeros": bytes(4096),
    "ones": b"\xff" * 4096,
    "random": random.Random(1).randbytes(4096),
    "a greeting and zeros": b"\xff\0\0\0\0\0\0\0\x01\x7f\x03\x01" + bytes(4096),
}
"""What port scanners and misdirected clients send."""

_OPS = ["hello", "get_infos", "shards", "snapshot", "events", "stats", "ping", "no", ""]
_OPS += ["sources", "accept_source", "get_columns", "history"]
_ARGS = ["shard_ids", "ids", "keys", "labels", "max_age", "limit", "cursor", "topics", "since", "x"]
_ARGS += ["name", "ids_revision", "fields"]
_VALUES: list[object] = [
    *(None, True, 0, 1, -1, 2**64 - 1, -(2**63), 1.5, float("nan"), float("inf"), 1e308),
    *("", "a", "é", "x" * 300, b"\xff", [], ["a"], [1], [[]], {}, {"a": "b"}, {"a": 1}),
]


def request(dice: random.Random) -> bytes:
    """Return the body of a valid or nearly valid request."""
    value: dict[str, object] = {"id": dice.choice(_VALUES), "op": dice.choice(_OPS)}
    if dice.random() < 0.6:
        names = dice.sample(_ARGS, dice.randrange(3))
        value["args"] = {name: dice.choice(_VALUES) for name in names}
    if dice.random() < 0.2:
        value[dice.choice(["deadline", "args", "op", "more"])] = dice.choice(_VALUES)
    packed: bytes = msgpack.packb(value)
    return packed


def mutated(data: bytes, dice: random.Random) -> bytes:
    """Return the bytes with random changes, deletions, duplications and insertions."""
    changed = bytearray(data)
    for _ in range(dice.randrange(1, 5)):
        at = dice.randrange(len(changed) + 1)
        what = dice.randrange(5)
        if what == 0:
            changed[at : at + 1] = dice.randbytes(1)
        elif what == 1:
            del changed[at : at + dice.randrange(1, 8)]
        elif what == 2:
            changed[at:at] = changed[at : at + dice.randrange(1, 16)]
        elif what == 3:
            changed[at:at] = dice.choice(
                [b"\xc1", b"\xdd\xff\xff\xff\xff", b"\x91", b"\xc0", b"\0"]
            )
        else:
            del changed[at:]
    return bytes(changed)


def body(dice: random.Random) -> bytes:
    """Return the body of a request: valid, malformed, a bomb or random bytes."""
    kind = dice.randrange(10)
    if kind < 4:
        return request(dice)
    if kind < 7:
        return mutated(request(dice), dice)
    if kind < 8:
        return dice.choice(list(BOMBS.values()))
    return dice.randbytes(dice.randrange(64))


def message(dice: random.Random) -> list[bytes]:
    """Return a message to a ROUTER socket: mostly a request, sometimes random frames."""
    kind = dice.randrange(10)
    if kind < 7:
        return [b"", MAGIC, body(dice)]
    if kind < 8:
        return [b"", dice.choice([MAGIC, b"ZI9", b"", b"ZI"]), *[body(dice)] * dice.randrange(4)]
    return [dice.randbytes(dice.choice([0, 1, 5, 300])) for _ in range(dice.randrange(1, 6))]
