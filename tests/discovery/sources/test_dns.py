"""The source `dns` with a real name server whose records change."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dns.message
import dns.rdatatype
import dns.rrset
import pytest

from tests.dns_servers import DNSMASQ, DOMAIN, HINT, DnsServer
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.sources import dns as module
from zinfo.discovery.sources import name_resolver
from zinfo.discovery.sources.dns import DnsSource
from zinfo.discovery.target import Answer, Target
from zinfo.errors import SourceError

RULES = TargetRules("pods")
SERVICE = f"_redis._tcp.{DOMAIN}"


@pytest.fixture(scope="module")
def running() -> Iterator[DnsServer]:
    if DNSMASQ is None:
        pytest.skip(HINT)
    with DnsServer() as server:
        yield server


@pytest.fixture
def server(running: DnsServer) -> DnsServer:
    running.set_hosts({"a": ["10.0.0.1", "10.0.0.2", "fd00::1"], "b": ["10.0.1.1"]})
    return running


def source(server: DnsServer, *names: str, rules: TargetRules = RULES, **more: Any) -> DnsSource:
    made: dict[str, Any] = {"port": 6379, "resolv_conf": server.resolv_conf}
    return DnsSource("pods", names, rules, server_port=server.port, **{**made, **more})


def read(source: DnsSource) -> Answer:
    answer = source.read()
    assert answer is not None
    return answer


def ids(answer: Answer | None) -> list[str]:
    assert answer is not None
    return list(answer.targets)


def test_a_name_gives_a_shard_for_each_address(server: DnsServer) -> None:
    answer = read(source(server, f"a.{DOMAIN}"))
    assert set(answer.targets) == {"10.0.0.1:6379", "10.0.0.2:6379", "[fd00::1]:6379"}
    assert answer.targets["[fd00::1]:6379"] == Target(
        "redis://[fd00::1]:6379", {"source": "pods", "hostname": f"a.{DOMAIN}"}
    )
    assert answer.notes == ()
    assert not answer.incomplete


def test_a_short_name_is_looked_up_in_the_search_list(server: DnsServer) -> None:
    answer = read(source(server, "b", scheme="rediss"))
    labels = {"source": "pods", "hostname": f"b.{DOMAIN}"}
    assert answer.targets == {"10.0.1.1:6379": Target("rediss://10.0.1.1:6379", labels)}
    with pytest.raises(SourceError, match="REFUSED"):  # a dot at the end: there is no domain b
        source(server, "b.").read()


def test_an_unchanged_answer_is_none_and_changes_are_followed(server: DnsServer) -> None:
    pods = source(server, f"a.{DOMAIN}", f"b.{DOMAIN}")
    assert len(read(pods).targets) == 4
    assert pods.read() is None
    server.set_hosts({"b": ["10.0.1.1"], "a": ["fd00::1", "10.0.0.3", "10.0.0.1"]})
    assert ids(pods.read()) == [
        "10.0.0.1:6379",
        "10.0.0.3:6379",
        "[fd00::1]:6379",
        "10.0.1.1:6379",
    ]
    assert pods.read() is None


def test_srv_records_give_names_and_ports(server: DnsServer) -> None:
    server.set_services([f"{SERVICE},redis-0.{DOMAIN},7000", f"{SERVICE},redis-1.{DOMAIN},7001"])
    rules = TargetRules("pods", id_template="{__dns_name__}/{host}:{port}")
    pods = source(server, SERVICE, port=None, rules=rules)
    assert read(pods).targets == {
        f"{SERVICE}/redis-{number}.{DOMAIN}:700{number}": Target(
            f"redis://redis-{number}.{DOMAIN}:700{number}",
            {"source": "pods", "hostname": f"redis-{number}.{DOMAIN}"},
        )
        for number in (0, 1)
    }
    server.set_services([f"{SERVICE},redis-1.{DOMAIN},7001"])
    assert ids(pods.read()) == [f"{SERVICE}/redis-1.{DOMAIN}:7001"]
    server.set_services([])
    answer = read(pods)
    assert (answer.targets, answer.notes) == ({}, (f"{SERVICE}: no such name",))


def test_more_records_than_fit_into_a_datagram_are_read_over_tcp(server: DnsServer) -> None:
    addresses = [f"10.1.{n >> 8}.{n & 255}" for n in range(600)]
    server.set_hosts({"a": addresses})
    answer = read(source(server, f"a.{DOMAIN}"))
    assert set(answer.targets) == {f"{address}:6379" for address in addresses}


def test_a_name_without_records_is_an_answer_with_a_remark(server: DnsServer) -> None:
    server.set_hosts({"b": ["10.0.1.1"], "x.none": ["10.0.2.1"]})
    answer = read(source(server, f"none.{DOMAIN}", f"typo.{DOMAIN}", f"b.{DOMAIN}"))
    assert ids(answer) == ["10.0.1.1:6379"]
    assert answer.notes == (f"none.{DOMAIN}: no records", f"typo.{DOMAIN}: no such name")
    assert not answer.incomplete


def test_addresses_that_no_server_can_have_are_skipped(server: DnsServer) -> None:
    server.set_hosts({"a": ["0.0.0.0", "10.0.0.1", "224.0.0.1", "::", "ff02::1"]})
    answer = read(source(server, f"a.{DOMAIN}"))
    assert ids(answer) == ["10.0.0.1:6379"]
    assert set(answer.skipped) == {"unusable address"}


def test_a_name_that_fails_has_its_last_records(server: DnsServer) -> None:
    other = f"c.{DOMAIN}"
    pods = source(server, f"a.{DOMAIN}", other)
    with failing_names(pods, other):
        answer = read(pods)
    assert len(answer.targets) == 3
    assert answer.incomplete  # nothing is known of the other
    assert answer.notes == (f"{other}: A: SERVFAIL", f"{other}: AAAA: SERVFAIL")
    server.set_hosts({"a": ["10.0.0.1"], "c": ["10.0.3.1"]})
    answer = read(pods)
    assert (ids(answer), answer.incomplete) == (["10.0.0.1:6379", "10.0.3.1:6379"], False)
    server.set_hosts({"a": ["10.0.0.1"]})
    with failing_names(pods, other):
        answer = read(pods)
        assert (ids(answer), answer.incomplete) == (["10.0.0.1:6379", "10.0.3.1:6379"], False)
    assert ids(pods.read()) == ["10.0.0.1:6379"]


def test_a_server_that_knows_no_aaaa_records_is_no_problem(server: DnsServer) -> None:
    pods = source(server, f"b.{DOMAIN}")
    with failing_names(pods, f"b.{DOMAIN}", kinds=("AAAA",)):
        answer = read(pods)
    assert (ids(answer), answer.incomplete) == (["10.0.1.1:6379"], False)


@contextlib.contextmanager
def failing_names(source: DnsSource, *names: str, kinds: tuple[str, ...] = ("A", "AAAA")) -> Any:
    """Make questions for some names fail."""
    resolver: Any = source._resolver
    real = resolver.look_up

    def look_up(name: str, kind: int) -> Any:
        if name in names and module._KIND_NAMES[kind] in kinds:
            raise name_resolver.LookupFailedError("SERVFAIL")
        return real(name, kind)

    resolver.look_up = look_up
    try:
        yield
    finally:
        del resolver.look_up


def test_a_name_server_that_refuses_or_does_not_run_is_an_error(server: DnsServer) -> None:
    pods = source(server, "a.other.", "b.other.", "c.other.", "d.other.")
    refused = r"a\.other\.: REFUSED from name server 127\.0\.0\.1, .*, and 1 more"
    with pytest.raises(SourceError, match=refused):
        pods.read()
    pods = source(server, f"a.{DOMAIN}")
    before = read(pods)
    server.kill()
    try:
        with pytest.raises(SourceError, match="onnection refused"):
            pods.read()
    finally:
        server.set_services(())
    assert pods.read() is None
    assert len(before.targets) == 3


def test_a_changed_resolv_conf_is_followed(server: DnsServer, tmp_path: Path) -> None:
    path = tmp_path / "resolv.conf"
    pods = source(server, "a", resolv_conf=str(path))
    # Without the file the name server is that of this machine, as resolv.conf(5) says.
    with pytest.raises(SourceError, match=r"a: REFUSED from name server 127\.0\.0\.1"):
        pods.read()
    path.write_text(f"nameserver 127.0.0.1\nsearch none.{DOMAIN} {DOMAIN}\noptions ndots:5\n")
    assert len(read(pods).targets) == 3
    path.write_bytes(b"search " + b"a" * 70 + b"\nnameserver 127.0.0.1\n")
    with pytest.raises(SourceError, match=r"resolv\.conf cannot be used"):
        pods.read()
    path.write_text("nameserver not-an-address\n")
    with pytest.raises(SourceError, match=r"resolv\.conf cannot be used"):
        pods.read()


@contextlib.contextmanager
def udp_server(reply: Callable[[bytes], list[bytes]]) -> Iterator[int]:
    """A name server that replies with any datagrams; yields its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(30)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    question, address = sock.recvfrom(65535)
                    if question == b"end":
                        return
                    for datagram in reply(question):
                        sock.sendto(datagram, address)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        port = sock.getsockname()[1]
        try:
            yield port
        finally:
            sock.sendto(b"end", ("127.0.0.1", port))
            thread.join(30)


def ask(port: int, tmp_path: Path, name: str = f"a.{DOMAIN}") -> DnsSource:
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 127.0.0.1\noptions timeout:1\n")
    return DnsSource("pods", [name], RULES, port=1, resolv_conf=str(path), server_port=port)


def answer_of(question: bytes, address: str = "10.0.0.1") -> bytes:
    query = dns.message.from_wire(question)
    response = dns.message.make_response(query)
    name, kind = query.question[0].name, query.question[0].rdtype
    if kind == dns.rdatatype.A:
        response.answer.append(dns.rrset.from_text(name, 30, "IN", "A", address))
    return response.to_wire()


def test_datagrams_that_are_no_reply_to_the_question_are_ignored(tmp_path: Path) -> None:
    def reply(question: bytes) -> list[bytes]:
        real = answer_of(question)
        forged = answer_of(question, "10.6.6.6")
        other_id = bytes([forged[0] ^ 1]) + forged[1:]
        other_name = forged.replace(b"\x01a", b"\x01b", 1)
        many_questions = forged[:4] + b"\xff\xff" + forged[6:]
        return [b"", b"x", other_id, other_name, many_questions, question, real]

    with udp_server(reply) as port:
        assert ids(ask(port, tmp_path).read()) == ["10.0.0.1:1"]


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (lambda question: [], "no reply in time"),
        (lambda question: [b"x"] * 100, "too many datagrams that are no reply"),
        (lambda question: [answer_of(question)[:-1]], "a record has no end"),
    ],
    ids=["silent", "flood", "cut"],
)
def test_a_name_server_without_a_usable_reply_is_an_error(
    reply: Callable[[bytes], list[bytes]],
    error: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(name_resolver, "LIFETIME", 0.3)
    with udp_server(reply) as port, pytest.raises(SourceError, match=error):
        ask(port, tmp_path).read()


def test_a_tcp_server_that_never_ends_its_reply_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_resolver, "LIFETIME", 0.3)

    def cut(question: bytes) -> list[bytes]:
        return [question[:2] + b"\x82" + answer_of(question)[3:]]  # with the bit for "truncated"

    with (
        udp_server(cut) as port,
        socket.create_server(("127.0.0.1", port), backlog=50),
        pytest.raises(SourceError, match="no reply in time"),  # it accepts, and is silent
    ):
        ask(port, tmp_path).read()


@pytest.mark.parametrize(
    ("names", "port", "problem"),
    [
        ([], 1, "expected 1 to 1000 names"),
        ([f"n{number}" for number in range(1001)], 1, "expected 1 to 1000 names"),
        (["a.test"], None, "a.test needs a port"),
        (["a..test"], 1, "is not a name in DNS"),
        (["a" * 64], 1, "is not a name in DNS"),
        (["."], 1, "is not a name in DNS"),
        ([""], 1, "is not a name in DNS"),
    ],
)
def test_names_that_cannot_be_looked_up_are_refused(
    names: list[str], port: int | None, problem: str
) -> None:
    with pytest.raises(ValueError, match=problem):
        DnsSource("pods", names, RULES, port=port)
