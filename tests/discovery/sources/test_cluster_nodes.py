"""Reads the reply to CLUSTER NODES: of all versions, and of servers that are not to be trusted."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.discovery.sources.cluster_nodes import (
    MAX_LINES,
    MAX_SKIPPED,
    ClusterNode,
    ClusterView,
    parse_cluster_nodes,
)
from zinfo.errors import SourceError

A, B, C = "a" * 40, "b" * 40, "c" * 40


def parse(text: str | bytes, host: str = "192.0.2.9", port: int = 7009) -> ClusterView:
    data = text.encode() if isinstance(text, str) else text
    return parse_cluster_nodes(data, host, port)


def line(
    address: str, flags: str = "master", primary: str = "-", rest: str = "0-5", ident: str = A
) -> str:
    return f"{ident} {address} {flags} {primary} 0 1426238317239 4 connected {rest}".rstrip() + "\n"


def only(text: str) -> ClusterNode:
    """Return the node of a line that another node sends."""
    return parse(line("192.0.2.1:7001", "myself,master", ident=B) + text).nodes[A]


def test_the_nodes_of_a_view_have_addresses_names_and_primaries() -> None:
    view = parse(
        f"{A} 192.0.2.1:7001@17001,host-1 myself,master - 0 0 3 connected 0-5460 5462\n"
        f"{B} 192.0.2.2:7002@17002,host-2 slave {A} 0 1426238317239 3 connected\n"
        f"{C} 192.0.2.3:7003@17003 master,fail - 142 143 7 disconnected [93-<-{A}]\n"
    )
    assert view == ClusterView(
        A,
        {
            A: ClusterNode(A, "192.0.2.1", 7001, "host-1", "", False, True, 3),
            B: ClusterNode(B, "192.0.2.2", 7002, "host-2", A, False, False, 3),
            C: ClusterNode(C, "192.0.2.3", 7003, "", "", True, False, 7),
        },
        {},
        7,
    )


@pytest.mark.parametrize(
    ("address", "host", "port", "name"),
    [
        ("127.0.0.1:30004", "127.0.0.1", 30004, ""),  # Redis 3
        ("127.0.0.1:30004@31004", "127.0.0.1", 30004, ""),  # Redis 4
        ("127.0.0.1:30004@31004,", "127.0.0.1", 30004, ""),
        ("127.0.0.1:30004@31004,host-4.example", "127.0.0.1", 30004, "host-4.example"),  # Redis 7
        # As in nodes.conf of Redis 7.2 and Valkey; replies have these fields in no known version.
        ("127.0.0.1:1@2,,tls-port=3,shard-id=" + "e" * 40, "127.0.0.1", 1, ""),
        ("127.0.0.1:1@2,h,nodename=N,shard-id=" + "e" * 40, "127.0.0.1", 1, "h"),
        ("::1:6379@16379", "::1", 6379, ""),
        ("2001:db8::8:6379", "2001:db8::8", 6379, ""),
        ("[2001:db8::8]:6379@16379", "2001:db8::8", 6379, ""),
        ("127.0.0.1:1@2,?", "127.0.0.1", 1, ""),
        ("127.0.0.1:1@2,evil\x1b[2J", "127.0.0.1", 1, ""),
        ("127.0.0.1:1@2,*", "127.0.0.1", 1, ""),
        ("127.0.0.1:1@2," + "h" * 300, "127.0.0.1", 1, ""),
    ],
)
def test_addresses_have_the_forms_of_all_versions(
    address: str, host: str, port: int, name: str
) -> None:
    node = only(line(address))
    assert (node.host, node.port, node.hostname) == (host, port, name)


@pytest.mark.parametrize("address", [":7001@17001", ":0@0", "0.0.0.0:0@0", ":::0@0"])
def test_a_node_that_does_not_know_its_own_address_has_the_one_that_was_connected_to(
    address: str,
) -> None:
    view = parse(line(address, "myself,master"))
    assert view.myself == A
    node = view.nodes[A]
    assert node.host == "192.0.2.9"
    assert node.port == (7001 if "7001" in address else 7009)


@pytest.mark.parametrize(
    "text",
    [
        line("192.0.2.1:1@2", "master,noaddr", ident=B),
        line(":0@0", "master,noaddr", ident=B),
        line("192.0.2.1:1@2", "handshake", ident=B),
        line("192.0.2.1:1@2", "master,fail,handshake", ident=B),
    ],
)
def test_nodes_without_an_address_or_in_handshake_are_no_members(text: str) -> None:
    view = parse(line("192.0.2.1:7001@17001", "myself,master") + text)
    assert list(view.nodes) == [A]
    assert view.skipped == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (line(":0@0", ident=B), "no address"),  # must never become localhost
        (line(":6379@16379", ident=B), "no address"),
        (line("0.0.0.0:6379@16379", ident=B), "no address"),
        (line("192.0.2.1:0@16379", ident=B), "no port"),
        (line("192.0.2.1:65536@0", ident=B), "no port"),
        (line("192.0.2.1:٣", ident=B), "no port"),
        (line("no-address-at-all", ident=B), "no address"),
        (line("192.0.2.1:1", ident="x" * 65), "bad line"),
        (line("192.0.2.1:1", ident="\x1b[2J"), "bad line"),
        (line("1" * 600 + ":1", ident=B), "bad line"),
        ("garbage\n", "bad line"),
        (line("192.0.2.1:1", ident=A), "repeated"),
        (line("192.0.2.1:1", "myself,master", ident=B), "repeated"),
    ],
)
def test_a_line_that_cannot_be_used_discards_no_other(text: str, reason: str) -> None:
    view = parse(
        line("192.0.2.1:7001@17001", "myself,master") + text + line("192.0.2.3:1", ident=C)
    )
    assert list(view.nodes) == [A, C]
    assert view.myself == A
    (found,) = view.skipped
    assert reason in found


@pytest.mark.parametrize("data", [b"", b"\n\n", b"OK\n", b"\xff\xfe\n"])
def test_a_reply_without_a_usable_line_is_no_view(data: bytes) -> None:
    with pytest.raises(SourceError, match="CLUSTER NODES"):
        parse(data)


def test_a_view_without_itself_is_refused() -> None:
    with pytest.raises(SourceError, match="itself"):
        parse(line("192.0.2.1:1"))


def test_flags_say_what_is_known_to_have_failed() -> None:
    assert only(line("192.0.2.1:1", "master,fail")).failed
    assert not only(line("192.0.2.1:1", "master,fail?,nofailover")).failed


def test_only_slots_that_a_node_owns_count() -> None:
    assert only(line("192.0.2.1:1", rest="7")).slots
    assert not only(line("192.0.2.1:1", rest="")).slots
    assert not only(line("192.0.2.1:1", rest=f"[93->-{B}]")).slots


def test_lines_may_end_as_on_other_systems() -> None:
    view = parse(line("192.0.2.1:1", "myself,master").replace("\n", "\r\n").encode())
    assert view.nodes[A].slots


def test_what_a_reply_may_contain_is_bounded() -> None:
    with pytest.raises(SourceError, match="lines"):
        parse(line("192.0.2.1:1", "myself,master").encode() + b"\n" * MAX_LINES)
    reasons = "".join(line(f"192.0.2.1:{n}", ident=A) for n in range(MAX_SKIPPED + 9))
    view = parse(line("192.0.2.1:1", "myself,master") + reasons)
    assert len(view.skipped) <= MAX_SKIPPED


def test_long_replies_are_read_in_pieces() -> None:
    text = line("192.0.2.1:1", "myself,master") + "".join(
        line(f"192.0.2.1:{n}", ident=f"{n:040x}") for n in range(2, 1002)
    )
    pauses: list[None] = []
    view = parse_cluster_nodes(text.encode(), "h", 1, lambda: pauses.append(None))
    assert len(view.nodes) == 1001
    assert len(pauses) > 10


FIELDS = st.one_of(
    st.sampled_from(
        (A, B, C, "127.0.0.1:1@2", ":0@0", "myself,master", "slave", "-", "0", "0-5", "\n")
    ),
    st.text(max_size=6),
)


@given(st.lists(FIELDS, max_size=30))
@settings(max_examples=examples(600))
def test_any_text_gives_addresses_that_can_be_connected_to(fields: list[str]) -> None:
    view = parse(line("192.0.2.1:7001", "myself,master") + " ".join(fields))
    for node in view.nodes.values():
        assert node.host
        assert 0 < node.port < 65536
        assert (node.ident + node.primary + node.hostname).isprintable()
    assert all(reason.isprintable() for reason in view.skipped)
