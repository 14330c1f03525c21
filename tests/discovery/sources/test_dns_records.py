"""Replies of name servers: records are read, hostile bytes are refused."""

from __future__ import annotations

import contextlib
import struct

import dns.flags
import dns.message
import dns.rrset
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.discovery.sources.dns_records import (
    AAAA,
    SRV,
    A,
    BadReplyError,
    Record,
    question_count,
    read_records,
)

NAME = "pods.example.test."
QUESTION = b"\x04pods\x07example\x04test\x00"
KINDS = {A: "A", AAAA: "AAAA", SRV: "SRV"}


def nothing() -> None:
    """Stand in for a pause."""


def reply(kind: int, *records: tuple[str, str, str], name: str = NAME) -> bytes:
    """Encode a reply; a record is its owner, its type and its data."""
    response = dns.message.make_response(dns.message.make_query(name, KINDS[kind]))
    for owner, kind_name, data in records:
        made = dns.rrset.from_text(owner, 30, "IN", kind_name, data)
        response.answer.append(made)
    return response.to_wire(max_size=65535)


def handmade(kind: int, data: bytes, owner: bytes = b"\xc0\x0c") -> bytes:
    """Encode a reply with one record of any bytes."""
    question = QUESTION + struct.pack("!HH", kind, 1)
    record = owner + struct.pack("!HHIH", kind, 1, 30, len(data)) + data
    return struct.pack("!HHHHHH", 1, 0x8000, 1, 1, 0, 0) + question + record


def test_addresses_of_both_families_are_read() -> None:
    v4 = reply(A, (NAME, "A", "10.0.0.1"), (NAME, "A", "10.0.0.2"))
    assert read_records(v4, A, nothing) == {Record("10.0.0.1"), Record("10.0.0.2")}
    v6 = reply(AAAA, (NAME, "AAAA", "fd00::1"))
    assert read_records(v6, AAAA, nothing) == {Record("fd00::1")}
    assert read_records(reply(A), A, nothing) == set()


def test_targets_and_ports_of_srv_records_are_read() -> None:
    name = "_redis._tcp.example.test."
    wire = reply(
        SRV,
        (name, "SRV", "0 5 6379 Redis-0.Example.test."),
        (name, "SRV", "0 5 6380 redis_1.example.test."),
        (name, "SRV", "0 0 1 ."),
        name=name,
    )
    assert read_records(wire, SRV, nothing) == {
        Record("redis-0.example.test", 6379),
        Record("redis_1.example.test", 6380),
        Record("", 1),  # "." says that there is no such service
    }


def test_aliases_are_followed_and_records_of_other_names_are_not_used() -> None:
    wire = reply(
        A,
        ("a.example.test.", "A", "10.0.0.1"),
        ("other.example.test.", "A", "10.9.9.9"),
        ("B.example.test.", "CNAME", "a.example.test."),
        (NAME, "CNAME", "b.example.test."),
    )
    assert read_records(wire, A, nothing) == {Record("10.0.0.1")}
    loop = reply(A, (NAME, "CNAME", "a.test."), ("a.test.", "CNAME", NAME))
    assert read_records(loop, A, nothing) == set()


@pytest.mark.parametrize(
    "address", ["0.0.0.0", "0.1.2.3", "224.0.0.1", "255.255.255.255", "::", "ff02::1", "fe80::1"]
)
def test_addresses_that_no_server_can_have_are_marked(address: str) -> None:
    kind = AAAA if ":" in address else A
    wire = reply(kind, (NAME, KINDS[kind], address))
    assert read_records(wire, kind, nothing) == {Record("")}


@pytest.mark.parametrize("label", [b"a.b", b"user@evil", b"a b", b"\x1b[31m", b"a/b", b"\xff"])
def test_targets_that_are_not_names_of_hosts_are_marked(label: bytes) -> None:
    data = struct.pack("!HHH", 0, 0, 6379) + bytes([len(label)]) + label + b"\xc0\x0c"
    assert read_records(handmade(SRV, data), SRV, nothing) == {Record("", 6379)}


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        handmade(A, b"\x0a\x00\x00\x01")[:-1],
        handmade(A, b"\x0a\x00\x00"),
        handmade(A, b"\x0a\x00\x00\x01", owner=b"\xc0\xff"),  # a pointer to what follows
        handmade(A, b"\x0a\x00\x00\x01", owner=b"\xc0\x23"),  # to itself
        handmade(A, b"\x0a\x00\x00\x01", owner=b"\x80\x00"),
        handmade(A, b"\x0a\x00\x00\x01", owner=b"\x3fa"),
        handmade(A, b"", owner=(b"\x3f" + b"a" * 63) * 4 + b"\x00"),
    ],
)
def test_bytes_that_are_no_reply_are_refused(wire: bytes) -> None:
    with pytest.raises(BadReplyError):
        read_records(wire, A, nothing)


def test_there_is_a_pause_after_each_record() -> None:
    pauses: list[None] = []
    wire = reply(A, *((NAME, "A", f"10.0.{n >> 8}.{n & 255}") for n in range(1000)))
    assert len(read_records(wire, A, lambda: pauses.append(None))) == 1000
    assert len(pauses) == 1000


@settings(max_examples=examples(2000))
@given(st.binary(max_size=100), st.integers(0, 100), st.sampled_from([A, AAAA, SRV]))
@example(b"\xc0\x00" * 50, 12, A)
def test_no_bytes_raise_another_error(noise: bytes, at: int, kind: int) -> None:
    wire = handmade(kind, b"\x00\x01\x00\x01\x18\xeb\x01a\xc0\x0c")
    wire = wire[:at] + noise + wire[at + len(noise) :]
    with contextlib.suppress(BadReplyError):
        question_count(wire)
        read_records(wire, kind, nothing)
