"""Addresses derived from titles, arguments and sockets of processes."""

from __future__ import annotations

import dataclasses

import pytest

from zinfo.discovery.local.processes import Listener, LocalServer, ProcessFacts, by_address, locate
from zinfo.shards.connection_options import default_ident

PLAIN = ("127.0.0.1", 7000)


def facts(command: str, *listeners: tuple[str, int], sockets: tuple[str, ...] = ()) -> ProcessFacts:
    return ProcessFacts(
        pid=42,
        create_time=1.0,
        name="redis-server",
        parent=1,
        command=tuple(command.split(" ")),
        listeners=tuple(Listener(*listener) for listener in listeners),
        sockets=sockets,
    )


def url_of(found: ProcessFacts) -> str | None:
    server = locate(found)
    assert server is not None
    if server.address is None:
        return None
    assert server.address.ident == default_ident(server.address.url)
    return server.address.url


@pytest.mark.parametrize(
    ("listeners", "url"),
    [
        pytest.param([PLAIN], "redis://127.0.0.1:7000", id="loopback"),
        pytest.param([("0.0.0.0", 7000), ("::", 7000)], "redis://127.0.0.1:7000", id="all"),
        pytest.param([("::", 7000)], "redis://[::1]:7000", id="all-ipv6"),
        pytest.param([("::1", 7000), PLAIN], "redis://127.0.0.1:7000", id="both-loopbacks"),
        pytest.param([("::1", 7000)], "redis://[::1]:7000", id="ipv6-loopback"),
        pytest.param([("::ffff:0.0.0.0", 7000)], "redis://127.0.0.1:7000", id="mapped-all"),
        pytest.param([("10.0.0.5", 7000), PLAIN], "redis://127.0.0.1:7000", id="loopback-second"),
        pytest.param(
            [("127.0.0.3", 7000), ("127.0.0.2", 7000)], "redis://127.0.0.2:7000", id="two"
        ),
        pytest.param([("10.0.0.5", 7000)], "redis://10.0.0.5:7000", id="no-loopback"),
        pytest.param([("2001:db8::5", 7000)], "redis://[2001:db8::5]:7000", id="no-loopback-ipv6"),
        pytest.param(
            [("fe80::1", 7000), ("fec0::5", 7000)], "redis://[fec0::5]:7000", id="link-local"
        ),
    ],
)
def test_the_address_is_the_best_one_for_a_client_on_this_machine(
    listeners: list[tuple[str, int]], url: str
) -> None:
    assert url_of(facts("redis-server *:7000", *listeners)) == url


def test_among_addresses_without_loopback_the_title_chooses() -> None:
    listeners = [("10.0.0.5", 7000), ("10.0.0.9", 7000)]
    assert url_of(facts("redis-server 10.0.0.9:7000", *listeners)) == "redis://10.0.0.9:7000"


@pytest.mark.parametrize(
    ("command", "ports", "url", "certain"),
    [
        pytest.param("/usr/bin/redis-server 127.0.0.1:7000", {7000}, "redis", True, id="title"),
        pytest.param("keydb-server ::1:7000", {7000}, "redis", True, id="title-ipv6"),
        pytest.param("redis-server *:7000 [cluster]", {7000, 17000}, "redis", True, id="cluster"),
        pytest.param("redis-server *:7000 [cluster]", {6000, 7000}, "redis", True, id="low-bus"),
        pytest.param("redis-server a:1 *:7000 x", {7000, 17000}, "redis", True, id="template"),
        pytest.param("redis-server 127.0.0.1:70", {7000, 17000}, "redis", False, id="truncated"),
        pytest.param("redis-server /etc/redis.conf", {7000, 17000}, "redis", False, id="file"),
        pytest.param("", {7000, 17000}, "redis", False, id="no-hint"),
        pytest.param(
            "redis-server --port 7000 --cluster-port 6000", {6000, 7000}, "redis", True, id="args"
        ),
        pytest.param(
            "redis-server c.conf --cluster-port 6000", {6000, 7000}, "redis", False, id="bus-port"
        ),
        pytest.param(
            "redis-server --port 7000 --tls-port 6000", {6000, 7000}, "redis", True, id="tls-too"
        ),
        pytest.param("redis-server --tls-port 6000", {6000, 7000}, "redis", False, id="tls-too-2"),
        pytest.param(
            "redis-server --port 0 --tls-port 7000", {7000, 17000}, "rediss", False, id="tls-only"
        ),
        pytest.param(
            "redis-server *:7000 [cluster] tls-port:7000", {7000}, "rediss", True, id="tls-titled"
        ),
        pytest.param(
            "redis-server *:7000 [TLS]", {7000, 17000}, "rediss", True, id="tls-titled-by-word"
        ),
        pytest.param(
            "redis-server *:7000 tls-port:6000", {6000, 7000}, "redis", True, id="tls-in-template"
        ),
    ],
)
def test_the_port_is_the_client_port_without_tls_if_possible(
    command: str, ports: set[int], url: str, certain: bool
) -> None:
    found = facts(command, *(("127.0.0.1", port) for port in ports))
    assert url_of(found) == f"{url}://127.0.0.1:7000"
    server = locate(found)
    assert server is not None
    assert server.certain is certain


@pytest.mark.parametrize(
    ("command", "listeners", "sockets", "path"),
    [
        pytest.param("redis-server unixsocket:/run/a", [], ["/run/a"], "/run/a", id="title"),
        pytest.param(
            "redis-server unixsocket:/run/a [cluster]",
            [("127.0.0.1", 10000)],
            ["/run/a"],
            "/run/a",
            id="beside-the-cluster-bus",
        ),
        pytest.param("redis-server unixsocket:/a b", [], [], "/a b", id="space-in-the-path"),
        pytest.param(
            "redis-server unixsocket:/run/b", [], ["/run/a", "/run/b"], "/run/b", id="several"
        ),
        pytest.param(
            "redis-server --unixsocket /run/b --port 0",
            [],
            ["/run/a", "/run/b"],
            "/run/b",
            id="args",
        ),
        pytest.param("redis-server unixsocket:/run/a", [], ["/run/ab"], "/run/ab", id="truncated"),
        pytest.param("redis-server unixsocket:s", [], ["/data/s"], "/data/s", id="relative"),
        pytest.param("", [], ["/run/b", "/run/a"], "/run/a", id="no-hint"),
    ],
)
def test_without_tcp_the_address_is_the_unix_socket(
    command: str, listeners: list[tuple[str, int]], sockets: list[str], path: str
) -> None:
    server = locate(facts(command, *listeners, sockets=tuple(sockets)))
    assert server is not None
    assert server.address is not None
    assert server.address.ident == path
    assert default_ident(server.address.url) == path


def test_a_socket_whose_path_is_not_utf_8_is_no_address() -> None:
    server = locate(facts("", sockets=("/run/a\udcff",)))
    assert server is not None
    assert server.address is None


def test_tcp_is_preferred_to_the_unix_socket() -> None:
    assert url_of(facts("redis-server *:7000", PLAIN, sockets=("/s",))) == "redis://127.0.0.1:7000"


@pytest.mark.parametrize(
    "command",
    [
        "/usr/bin/redis-server --port 7000 --unixsocket /run/redis.sock",
        "redis-server *:7000",
        "redis-server unixsocket:relative",
        "",
    ],
)
def test_a_server_that_does_not_listen_yet_has_no_address(command: str) -> None:
    assert url_of(facts(command)) is None


@pytest.mark.parametrize(
    "command",
    [
        "redis-server *:26379 [sentinel]",
        "/usr/bin/redis-server /etc/sentinel.conf --sentinel",
        "redis-rdb-bgsave 127.0.0.1:7000",
        "redis-aof-rewrite *:7000 [cluster]",
        "redis-rdb-to-slaves *:7000",
        "redis-module-fork *:7000",
        "valkey-rdb-to-replicas *:7000",
    ],
)
def test_sentinels_and_background_children_are_not_shards(command: str) -> None:
    assert locate(facts(command, PLAIN)) is None


@pytest.mark.parametrize("directory", ["/redis-rdb-tools/bin", "/sentinel", "/my --sentinels"])
def test_a_directory_name_does_not_make_a_server_a_sentinel_or_a_child(
    directory: str,
) -> None:
    assert locate(facts(f"{directory}/redis-server *:7000", PLAIN)) is not None


def server(pid: int, create_time: float, parent: int = 1) -> LocalServer:
    found = locate(
        dataclasses.replace(
            facts("redis-server *:7000", PLAIN), pid=pid, create_time=create_time, parent=parent
        )
    )
    assert found is not None
    return found


@pytest.mark.parametrize("turned", [False, True])
def test_of_two_servers_at_one_address_the_newer_is_chosen_unless_it_is_the_others_child(
    turned: bool,
) -> None:
    old, new, child = server(10, 1.0), server(20, 2.0), server(21, 3.0, parent=20)

    def winner(*servers: LocalServer) -> int:
        chosen = by_address(reversed(servers) if turned else servers)
        assert chosen.keys() == {"127.0.0.1:7000"}
        return chosen["127.0.0.1:7000"].pid

    assert winner(old, new) == new.pid
    assert winner(new, child) == new.pid


def test_servers_without_an_address_are_left_out() -> None:
    nowhere = locate(facts("redis-server *:7000"))
    assert nowhere is not None
    assert by_address([nowhere]) == {}
