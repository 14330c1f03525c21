"""Makes other texts of real ones: what servers, forks and scripts make of INFO."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Final, TypeAlias

Lines: TypeAlias = "list[bytes]"
Mutation: TypeAlias = Callable[["Lines", random.Random], "Lines"]

ODD_LINES: Final = (
    b"",
    b"   ",
    b"# Time: 1970-01-01 08:00:00",
    b'# Use "info keyspace 1" to do async statistics',
    b"# Two Words",
    b"db0 Strings_keys=7, expires=0, invalid_keys=0",
    b":text",
    b"caf\xe9:\xff",
    b"reading:1e+06",
    b"reading:1.5e-07",
    b"errorstat_a,b=c:d:count=3",
    b"cmdstat_host::calls=6,usec=601,usec_per_call=100.17",
    b"tls_client_cert_serial:1000",
    b"tls_client_cert_subject:CN=a, O=B, Inc",
    b"note:x=1, y=2",
    b"slave_ratio:nan",
)
"""Lines that a server or a fork may send, and some that none does."""

_NUMBER: Final = re.compile(rb"(?<=[:=])[0-9]+(?=[\r\n,]|$)")


def mutate(raw: bytes, rng: random.Random) -> bytes:
    """Return a text that was changed in one to four ways.

    Args:
        raw: A text of a server.
        rng: Chooses them.
    """
    end = rng.choice([b"\r\n", b"\r\n", b"\n"])
    lines = [line.removesuffix(b"\r") for line in raw.removesuffix(b"\n").split(b"\n")]
    for change in rng.sample(MUTATIONS, rng.randrange(1, 5)):
        lines = change(lines, rng)
    return end.join(lines) + rng.choice([end, b""])


def count(raw: bytes) -> bytes:
    """Return a later text with the same lines: each plain number is another."""
    return _NUMBER.sub(lambda number: b"%d" % (int(number[0]) + 7), raw)


def _other_numbers(lines: Lines, rng: random.Random) -> Lines:
    digits = rng.choice([1, 3, 9])

    def other(number: re.Match[bytes]) -> bytes:
        return b"%d" % rng.randrange(10**digits) if rng.random() < 0.3 else number[0]

    return [_NUMBER.sub(other, line) for line in lines]


def _other_order_of_sections(lines: Lines, rng: random.Random) -> Lines:
    parts: list[Lines] = [[]]
    for line in lines:
        if line.startswith(b"#"):
            parts.append([])
        parts[-1].append(line)
    first, rest = parts[0], parts[1:]
    rng.shuffle(rest)
    return first + [line for part in rest for line in part]


def _other_order_of_lines(lines: Lines, rng: random.Random) -> Lines:
    at, to = rng.randrange(len(lines)), rng.randrange(len(lines))
    changed = list(lines)
    changed.insert(to, changed.pop(at))
    return changed


def _names_twice(lines: Lines, rng: random.Random) -> Lines:
    fields = [line for line in lines if b":" in line and not line.startswith(b"#")]
    again = rng.choice(fields)
    at = rng.randrange(len(lines) + 1)
    return [*lines[:at], _NUMBER.sub(b"9", again), *lines[at:]]


def _fewer_lines(lines: Lines, rng: random.Random) -> Lines:
    at = rng.randrange(len(lines))
    # A text without a field is no INFO.
    return lines[:at] + lines[at + rng.randrange(6) :] + [b"# Last", b"last:1"]


def _odd_lines(lines: Lines, rng: random.Random) -> Lines:
    changed = list(lines)
    for line in rng.sample(ODD_LINES, 5):
        changed.insert(rng.randrange(len(changed) + 1), line)
    return changed


def _replicas_at_one_address(lines: Lines, rng: random.Random) -> Lines:
    rows = [
        b"slave%d:ip=192.0.2.%d,port=6379,state=%b,offset=%d,lag=%d"
        % (number, rng.randrange(2), rng.choice([b"online", b"wait_bgsave"]), *_pair(rng))
        for number in range(100, 106)
    ]
    return _in_section(lines, b"# Replication", rows)


def _two_primaries(lines: Lines, rng: random.Random) -> Lines:
    rows = []
    for number in rng.sample(range(5), 2):
        rows += [
            b"master_host:192.0.2.%d" % number,
            b"master_port:%d" % (6379 + number),
            b"master_link_status:%b" % rng.choice([b"up", b"down"]),
            b"master_last_io_seconds_ago:%d" % rng.randrange(9),
            b"master_sync_in_progress:0",
            *([b"slave_repl_offset:%d" % rng.randrange(999)] if rng.random() < 0.7 else []),
        ]
    without = [line for line in lines if not re.match(b"master_|slave_repl_offset", line)]
    return _in_section(without, b"# Replication", rows)


def _numbered_primaries(lines: Lines, rng: random.Random) -> Lines:
    rows = []
    for number in range(1, 3):
        rows += [
            b"master_%d_host:192.0.2.%d" % (number, number),
            b"master_%d_port:6379" % number,
            b"master_%d_link_status:%b" % (number, rng.choice([b"up", b"down"])),
            b"master_%d_last_io_seconds_ago:%d" % (number, rng.randrange(9)),
        ]
    return _in_section(lines, b"# Replication", rows)


def _text_in_place_of_a_number(lines: Lines, rng: random.Random) -> Lines:
    return [
        line.partition(b":")[0] + b":abc" if b":" in line and rng.random() < 0.02 else line
        for line in lines
    ]


def _a_name_of_another_fork(lines: Lines, rng: random.Random) -> Lines:
    names = {b"maxclients": b"max_clients", b"used_memory": b"memory_used_bytes"}
    old, new = rng.choice(sorted(names.items()))
    renamed = [new + line[len(old) :] if line.startswith(old + b":") else line for line in lines]
    return renamed if rng.random() < 0.5 else renamed + lines[:3] + [old + b":5", new + b":6"]


def _errors_of_scripts(lines: Lines, rng: random.Random) -> Lines:
    names = [bytes(rng.choices(b'abc,=\\"{}\xff :', k=rng.randrange(1, 9))) for _ in range(60)]
    rows = [b"errorstat_%b%d:count=%d" % (name, place, place) for place, name in enumerate(names)]
    return _in_section(lines, b"# Errorstats", rows)


def _other_bytes(lines: Lines, rng: random.Random) -> Lines:
    changed = bytearray(b"\n".join(lines))
    for _ in range(8):
        at = rng.randrange(len(changed))
        changed[at : at + rng.randrange(2)] = bytes([rng.choice(b":=,#\r\n\t\0\xff 1a.-+eE/[](")])
    return [*bytes(changed).split(b"\n"), b"last:1"]


def _pair(rng: random.Random) -> tuple[int, int]:
    return rng.randrange(10**6), rng.randrange(100)


def _in_section(lines: Lines, header: bytes, rows: Lines) -> Lines:
    at = lines.index(header) + 1 if header in lines else len(lines)
    return [*lines[:at], *([] if header in lines else [header]), *rows, *lines[at:]]


MUTATIONS: Final[list[Mutation]] = [
    _other_numbers,
    _other_order_of_sections,
    _other_order_of_lines,
    _names_twice,
    _fewer_lines,
    _odd_lines,
    _replicas_at_one_address,
    _two_primaries,
    _numbered_primaries,
    _text_in_place_of_a_number,
    _a_name_of_another_fork,
    _errors_of_scripts,
    _other_bytes,
]
