"""The process table, with real servers and with fake processes that cannot be inspected."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import trustme

from tests.conftest import ServerFactory
from tests.servers import RealServer, ServerKind, available_kinds, free_port
from tests.waiting import wait_until
from zinfo.discovery.local import process_table
from zinfo.discovery.local.process_table import (
    MAX_SINGLE,
    REINSPECT_INTERVAL,
    SETTLE_TIME,
    ProcessTable,
    Scan,
)

ROOT = Path(__file__).parent.parent.parent


def urls(scan: Scan) -> list[str]:
    """Return the URLs of the servers; empty for one without an address."""
    return sorted(server.address.url if server.address else "" for server in scan.servers)


def table_of(*servers: RealServer) -> ProcessTable:
    """Return a table that sees only these servers and their child processes."""

    def processes() -> Iterator[psutil.Process]:
        for server in servers:
            process = psutil.Process(server.pid)
            yield from (process, *process.children())

    return ProcessTable(processes)


# -- real servers


def test_every_kind_is_found_at_its_port_with_its_process(
    each_kind: ServerKind, server_factory: ServerFactory
) -> None:
    server = server_factory(each_kind, password="secret")
    (found,) = table_of(server).scan(0.0).servers
    assert (found.pid, found.name) == (server.pid, each_kind.binary.name)
    assert found.address == (server.ident, f"redis://{server.ident}")
    assert found.certain


def test_every_kind_is_found_at_its_unix_socket_if_tcp_is_disabled(
    each_kind: ServerKind, server_factory: ServerFactory
) -> None:
    server = server_factory(each_kind, unixsocket=True)
    client = server.client()
    assert client.ping()  # an accepted connection has the path of the socket, too
    (found,) = table_of(server).scan(0.0).servers
    assert found.address == (server.ident, server.url)
    assert found.certain


def test_reading_all_sockets_at_once_gives_the_same_result(server_factory: ServerFactory) -> None:
    servers = [server_factory() for _ in range(MAX_SINGLE)]
    servers += [server_factory(unixsocket=True), server_factory(host="127.0.0.2")]
    assert urls(table_of(*servers).scan(0.0)) == sorted(server.url for server in servers)


def test_the_cluster_bus_port_is_not_mistaken_for_the_client_port(
    each_kind: ServerKind, server_factory: ServerFactory
) -> None:
    nodes = [server_factory(each_kind, args=("--cluster-enabled", "yes"))]
    if each_kind.version >= (7, 0):  # the bus port is configurable from there on
        options = ("--cluster-enabled", "yes", "--cluster-port", "9999")
        nodes.append(server_factory(each_kind, args=options))
    for node in nodes:
        listening = psutil.Process(node.pid).net_connections("tcp")
        assert len({item.laddr.port for item in listening if item.status == "LISTEN"}) == 2
        assert urls(table_of(node).scan(0.0)) == [node.url]


def test_a_server_with_two_addresses_is_one_shard_on_loopback(
    server_factory: ServerFactory,
) -> None:
    server = server_factory(args=("--bind", "127.0.0.2", "127.0.0.1"))
    assert urls(table_of(server).scan(0.0)) == [server.url]


def test_a_server_on_a_wildcard_address_is_reached_on_loopback(
    server_factory: ServerFactory,
) -> None:
    server = server_factory(args=("--bind", "*", "-::*"))
    assert urls(table_of(server).scan(0.0)) == [server.url]


def test_a_relative_unix_socket_is_resolved_against_the_servers_directory(
    server_factory: ServerFactory,
) -> None:
    server = server_factory(unixsocket=True, args=("--unixsocket", "./s"))
    (found,) = table_of(server).scan(0.0).servers
    assert found.address is not None
    assert found.address.ident == server.ident


def test_a_tls_only_port_is_recognised_by_the_title(
    server_factory: ServerFactory, short_tmp: Path
) -> None:
    kind = available_kinds()[0]
    if b"libssl" not in subprocess.check_output(["ldd", kind.binary]):
        pytest.skip(f"{kind} was built without TLS")
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(str(short_tmp / "pem"))
    port = free_port()
    files = ("--tls-cert-file", f"{short_tmp}/pem", "--tls-key-file", f"{short_tmp}/pem")
    options = ("--tls-port", str(port), "--tls-auth-clients", "no", *files)
    title = ("--proc-title-template", "{title} {listen-addr} tls")
    server = server_factory(unixsocket=True, args=(*options, *title))
    assert urls(table_of(server).scan(0.0)) == [f"rediss://127.0.0.1:{port}"]


def test_a_saving_child_process_is_not_a_shard(server: RealServer) -> None:
    client = server.client()
    for number in range(50):
        client.set(f"key:{number}", "x")
    client.config_set("rdb-key-save-delay", 1_000_000)  # microseconds a key
    assert client.bgsave()
    parent = psutil.Process(server.pid)
    (child,) = wait_until(parent.children, what="the child that saves")
    table = table_of(server)
    assert [found.pid for found in table.scan(0.0).servers] == [server.pid]
    assert child.name() == parent.name()
    assert child.is_running()


def test_a_sentinel_is_not_a_shard(server_factory: ServerFactory, short_tmp: Path) -> None:
    (short_tmp / "sentinel.conf").touch()
    server = server_factory()
    sentinel = subprocess.Popen(
        [server.kind.binary, short_tmp / "sentinel.conf", "--sentinel", "--port", str(free_port())],
        stdout=subprocess.DEVNULL,
    )
    try:
        process = psutil.Process(sentinel.pid)
        wait_until(lambda: "[sentinel]" in str(process.cmdline()), what="the Sentinel to start")
        assert ProcessTable(lambda: [process]).scan(0.0).servers == []
    finally:
        sentinel.kill()
        sentinel.wait()


@pytest.mark.parametrize("link", [True, False], ids=["link", "copy"])
def test_a_keydb_server_is_found_by_its_name(
    server_factory: ServerFactory, short_tmp: Path, link: bool
) -> None:
    original = available_kinds()[0]
    binary = short_tmp / "keydb-server"
    if link:
        binary.symlink_to(original.binary)
    else:
        shutil.copy(original.binary, binary)
    server = server_factory(ServerKind("keydb-7.0", binary))
    (found,) = table_of(server).scan(0.0).servers
    assert (found.name, found.address) == ("keydb-server", (server.ident, server.url))


def test_a_server_with_another_process_name_is_found_by_its_executable(
    server_factory: ServerFactory, short_tmp: Path
) -> None:
    program = short_tmp / "redis-server"
    shutil.copy(available_kinds()[0].binary, program)
    other_name = short_tmp / "cache"
    other_name.symlink_to(program)
    server = server_factory(ServerKind("redis-7.0", other_name))
    assert psutil.Process(server.pid).name() == "cache"
    table = table_of(server)
    for now in (0.0, 2.0):  # the second time from the cache
        (found,) = table.scan(now).servers
        assert (found.name, found.address) == ("redis-server", (server.ident, server.url))


def test_a_zombie_is_not_a_shard(server: RealServer) -> None:
    process = psutil.Process(server.pid)
    table = ProcessTable(lambda: [process])
    assert len(table.scan(0.0).servers) == 1
    os.kill(server.pid, 9)
    wait_until(lambda: process.status() == psutil.STATUS_ZOMBIE, what="the zombie")
    assert table.scan(2.0).servers == []


def test_a_changed_port_is_noticed_at_the_next_inspection(server: RealServer) -> None:
    table = table_of(server)
    assert urls(table.scan(0.0)) == [server.url]
    port = free_port()
    server.cli("CONFIG", "SET", "port", port)
    assert urls(table.scan(REINSPECT_INTERVAL - 1)) == [server.url]
    assert urls(table.scan(REINSPECT_INTERVAL)) == [f"redis://127.0.0.1:{port}"]


def test_a_server_in_another_network_namespace_is_refused(short_tmp: Path) -> None:
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-n", "true"], check=False).returncode:
        pytest.skip("needs the right to make a network namespace")
    server = subprocess.Popen(
        [unshare, "-n", available_kinds()[0].binary, "--port", "7000", "--bind", "0.0.0.0"],
        cwd=short_tmp,
        stdout=subprocess.DEVNULL,
    )
    try:
        process = psutil.Process(server.pid)
        wait_until(lambda: "0.0.0.0:7000" in str(process.cmdline()), what="the server to listen")
        scan = ProcessTable(lambda: [process]).scan(0.0)
        assert scan.servers == []
        assert [refusal.pid for refusal in scan.refusals] == [server.pid]
        assert "another network namespace" in scan.refusals[0].reason
    finally:
        server.kill()
        server.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to switch to another user")
def test_a_server_of_another_user_that_cannot_be_inspected_is_refused(server: RealServer) -> None:
    program = (
        "import os, sys, psutil\n"
        "from zinfo.discovery.local.process_table import ProcessTable\n"
        "os.seteuid(65534)\n"
        "table = ProcessTable(lambda: [psutil.Process(int(sys.argv[1]))])\n"
        "for now in (0.0, 100.0):\n"
        "    print(table.scan(now))\n"
        "os.seteuid(0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(server.pid)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    first, second = done.stdout.splitlines()
    assert first.startswith("Scan(servers=[], refusals=[Refusal(")
    assert "not allowed to inspect" in first
    assert second == "Scan(servers=[], refusals=[])"


# -- fake processes


@dataclass
class Socket:
    laddr: tuple[str, int] | str
    status: str = psutil.CONN_LISTEN
    family: int = socket.AF_INET
    type: int = socket.SOCK_STREAM


@dataclass
class FakeProcess:
    """A process as in psutil; `denied` names the methods that raise AccessDenied."""

    pid: int = 7
    comm: str = "redis-server"
    born: float = 1.0
    title: list[str] = field(default_factory=lambda: ["redis-server", "*:7000"])
    sockets: list[Socket] = field(default_factory=lambda: [Socket(("127.0.0.1", 7000))])
    denied: set[str] = field(default_factory=set)
    gone: bool = False
    calls: list[str] = field(default_factory=list)

    def _called(self, method: str) -> None:
        self.calls.append(method)
        if self.gone:
            raise psutil.NoSuchProcess(self.pid)
        if method in self.denied:
            raise psutil.AccessDenied(self.pid)

    def name(self) -> str:
        self._called("name")
        return self.comm

    def exe(self) -> str:
        self._called("exe")
        return "/opt/something"

    def cmdline(self) -> list[str]:
        self._called("cmdline")
        return self.title

    def cwd(self) -> str:
        self._called("cwd")
        return "/data"

    def create_time(self) -> float:
        return self.born

    def ppid(self) -> int:
        return 1

    def status(self) -> str:
        return psutil.STATUS_SLEEPING

    def is_running(self) -> bool:
        return True

    def uids(self) -> tuple[int, int, int]:
        return (0, 0, 0)

    def num_fds(self) -> int:
        self._called("net_connections")
        return len(self.sockets)

    def net_connections(self, kind: str = "inet") -> Sequence[Socket]:
        self._called("net_connections")
        return self.sockets


def fake_table(processes: list[FakeProcess]) -> ProcessTable:
    """Return a table of fake processes; read all at once, those that deny have no sockets."""

    def connections() -> dict[int, list[Socket]]:
        visible = [one for one in processes if "net_connections" not in one.denied]
        return {one.pid: one.sockets for one in visible}

    return ProcessTable(lambda: processes, connections, lambda _: None)


def test_sockets_of_many_new_processes_are_read_at_once_and_of_few_one_by_one() -> None:
    processes = [FakeProcess(pid=pid) for pid in range(MAX_SINGLE + 1)]
    table = fake_table(processes)
    table.scan(0.0)
    assert all("net_connections" not in process.calls for process in processes)
    processes.append(FakeProcess(pid=99))
    table.scan(2.0)
    assert "net_connections" in processes[-1].calls


@pytest.mark.parametrize("others", [0, MAX_SINGLE], ids=["read-alone", "read-at-once"])
@pytest.mark.parametrize("method", ["net_connections", "cmdline"])
def test_a_process_that_cannot_be_inspected_is_refused_once_and_retried(
    method: str, others: int
) -> None:
    secret = FakeProcess(pid=99, denied={method})
    table = fake_table([FakeProcess(pid=pid) for pid in range(others)] + [secret])
    first = table.scan(0.0)
    assert [refusal.pid for refusal in first.refusals] == [99]
    assert 99 not in [server.pid for server in first.servers]
    asked = secret.calls.count(method)
    assert table.scan(2.0).refusals == []
    assert secret.calls.count(method) == asked
    assert table.scan(REINSPECT_INTERVAL).refusals == []
    secret.denied.clear()
    assert 99 in [server.pid for server in table.scan(2 * REINSPECT_INTERVAL).servers]


def test_a_later_process_with_the_same_pid_is_another_process() -> None:
    processes = [FakeProcess(born=1.0, denied={"net_connections"})]
    table = fake_table(processes)
    assert len(table.scan(0.0).refusals) == 1
    processes[0] = FakeProcess(born=2.0, denied={"net_connections"})
    assert len(table.scan(2.0).refusals) == 1
    processes[0] = FakeProcess(born=3.0)
    assert [server.create_time for server in table.scan(4.0).servers] == [3.0]


def test_of_a_known_process_only_the_name_is_read() -> None:
    process = FakeProcess()
    table = fake_table([process])
    table.scan(0.0)
    process.calls.clear()
    assert len(table.scan(2.0).servers) == 1
    assert process.calls == ["name"]


def test_the_executable_is_read_once_and_again_when_the_process_name_changes() -> None:
    process = FakeProcess(comm="bash", denied={"exe"})
    table = fake_table([process])
    assert table.scan(0.0).servers == table.scan(2.0).servers == []
    assert process.calls.count("exe") == 1
    process.comm = "redis-server"  # a shell that has executed the server
    assert len(table.scan(4.0).servers) == 1


def test_a_starting_server_is_inspected_at_each_scan_until_its_address_is_certain() -> None:
    process = FakeProcess(title=["redis-server", "/etc/redis.conf"], sockets=[])
    table = fake_table([process])
    assert urls(table.scan(0.0)) == [""]
    process.sockets = [Socket(("127.0.0.1", 6000))]
    assert urls(table.scan(2.0)) == ["redis://127.0.0.1:6000"]
    process.sockets.append(Socket(("127.0.0.1", 7000)))
    process.title = ["redis-server", "127.0.0.1:7000"]
    assert urls(table.scan(4.0)) == ["redis://127.0.0.1:7000"]


def test_a_server_without_a_certain_address_is_inspected_rarely_after_a_while() -> None:
    process = FakeProcess(sockets=[])
    table = fake_table([process])
    table.scan(0.0)
    table.scan(SETTLE_TIME)
    process.calls.clear()
    table.scan(SETTLE_TIME + 2)
    assert process.calls == ["name"]
    process.sockets = [Socket(("127.0.0.1", 7000))]
    assert urls(table.scan(SETTLE_TIME + REINSPECT_INTERVAL)) == ["redis://127.0.0.1:7000"]


def test_a_server_that_closed_its_port_is_inspected_at_each_scan() -> None:
    process = FakeProcess()
    table = fake_table([process])
    table.scan(0.0)
    sockets, process.sockets = process.sockets, []
    assert urls(table.scan(REINSPECT_INTERVAL)) == [""]
    process.sockets = sockets
    assert urls(table.scan(REINSPECT_INTERVAL + 2)) == ["redis://127.0.0.1:7000"]


def test_a_process_that_ends_during_its_inspection_is_no_error() -> None:
    process = FakeProcess()

    def end(_: int) -> None:
        process.gone = True

    table = ProcessTable(lambda: [process], dict, end)
    assert table.scan(0.0) == Scan()
    assert table.scan(2.0) == Scan()
    process.gone = False


def test_if_reading_all_sockets_is_denied_they_are_read_one_by_one() -> None:
    def denied() -> dict[int, list[Socket]]:
        raise psutil.AccessDenied

    processes = [
        FakeProcess(pid=pid, sockets=[Socket(("127.0.0.1", 7000 + pid))], title=[])
        for pid in range(MAX_SINGLE + 1)
    ]
    table = ProcessTable(lambda: processes, denied, lambda _: None)
    assert len(table.scan(0.0).servers) == MAX_SINGLE + 1


def test_only_listening_tcp_sockets_and_named_unix_stream_sockets_count() -> None:
    unix = socket.AF_UNIX
    sockets = [
        Socket(("10.0.0.1", 5000), status=psutil.CONN_ESTABLISHED),
        Socket("", psutil.CONN_NONE, unix),
        Socket("@abstract", psutil.CONN_NONE, unix),
        Socket("/a/datagrams", psutil.CONN_NONE, unix, socket.SOCK_DGRAM),
        Socket("sock", psutil.CONN_NONE, unix),
    ]
    scan = fake_table([FakeProcess(title=[], sockets=sockets)]).scan(0.0)
    assert urls(scan) == ["unix:///data/sock"]


def test_a_failing_process_list_raises_and_keeps_the_known_processes() -> None:
    process = FakeProcess()
    fail = True

    def processes() -> Iterable[FakeProcess]:
        if fail:
            raise OSError("no /proc")
        return [process]

    table = ProcessTable(processes, dict, lambda _: None)
    fail = False
    table.scan(0.0)
    fail = True
    with pytest.raises(OSError, match="no /proc"):
        table.scan(2.0)
    fail = False
    process.calls.clear()
    assert len(table.scan(4.0).servers) == 1
    assert process.calls == ["name"]


def test_a_system_without_network_namespaces_refuses_no_process() -> None:
    process_table._check_network(2**22 + 1)  # no such process, as on a system without /proc
