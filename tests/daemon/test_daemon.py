"""The daemon as a process: what SIGHUP changes and what it does not."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import ServerFactory
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.client import Heartbeat, Subscriber


def shard_table(server: RealServer, more: str = "") -> str:
    return f'[[shards]]\nurl = "{server.url}"\n{more}\n'


def reload(daemon: RunningDaemon, text: str, logged: str) -> None:
    """Have a running daemon read another configuration, and wait for a log text."""
    begin = len(daemon.log())
    daemon.config_path.write_text(text, encoding="utf-8")
    daemon.signal(signal.SIGHUP)
    wait_until(lambda: logged in daemon.log()[begin:], what=repr(logged))


def shards(daemon: RunningDaemon) -> dict[str, Any]:
    body: Any = daemon.ask("shards").body
    return {shard["id"]: shard for shard in body}


def connects(daemon: RunningDaemon) -> int:
    stats: Any = daemon.ask("stats").body
    count: int = stats["poll"]["connects"]
    return count


def test_adding_and_removing_shards_leaves_other_connections_open(
    server_factory: ServerFactory,
) -> None:
    one, two, three = (server_factory() for _ in range(3))
    with RunningDaemon(config_text=shard_table(one) + shard_table(two)) as daemon:
        daemon.wait_polled(2)
        reload(daemon, shard_table(one) + shard_table(three), "watching 2 shards")
        daemon.wait_polled(2)
        assert set(shards(daemon)) == {one.ident, three.ident}
        assert connects(daemon) == 3
        events: Any = daemon.ask("events", ids=[one.ident]).body
        assert [event["type"] for event in events] == ["added", "up"]


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    """One server for all tests of this module."""
    with RealServer() as server:
        yield server


@pytest.fixture(scope="module")
def daemon(server: RealServer) -> Iterator[RunningDaemon]:
    """One daemon for tests that only have it read other files; it connects only once."""
    with RunningDaemon(config_text=shard_table(server, "min_interval = 0.2")) as daemon:
        daemon.wait_polled(1)
        yield daemon
        assert connects(daemon) == 1


def test_labels_and_intervals_change_without_a_new_connection(
    daemon: RunningDaemon, server: RealServer
) -> None:
    changed = shard_table(server, 'labels = { dc = "a" }\nmax_interval = 0.7')
    reload(daemon, changed, "watching 1 shard")
    wait_until(lambda: shards(daemon)[server.ident]["interval"] == 0.7, what="the interval")
    assert shards(daemon)[server.ident]["labels"] == {"dc": "a"}
    reload(daemon, shard_table(server) + "[poll]\nmax_interval = 0.9\n", "watching 1 shard")
    wait_until(lambda: shards(daemon)[server.ident]["interval"] == 0.9, what="the interval")
    assert connects(daemon) == 1


def test_sections_of_info_change_without_an_event(server_factory: ServerFactory) -> None:
    one, own = server_factory(), server_factory()
    own_table = shard_table(own, 'info = ["cpu"]')
    with RunningDaemon(config_text=shard_table(one) + own_table) as daemon:
        daemon.wait_polled(2)
        assert "cmdstat_info" in fields(daemon, one)
        assert {"used_cpu_sys", "run_id"} <= fields(daemon, own)
        assert "used_memory" not in fields(daemon, own)
        changed = '[poll]\ninfo = "default"\n' + shard_table(one) + own_table
        reload(daemon, changed, "watching 2 shards")
        wait_until(lambda: "cmdstat_info" not in fields(daemon, one), what="fewer fields")
        assert "needs a restart" not in daemon.log()
        events: Any = daemon.ask("events", ids=[one.ident]).body
        assert [event["type"] for event in events] == ["added", "up"]
        assert connects(daemon) == 3


def fields(daemon: RunningDaemon, server: RealServer) -> set[str]:
    infos: Any = daemon.ask("get_infos", shard_ids=[server.ident]).body
    return set(infos[0])


def test_an_invalid_file_changes_nothing_and_each_error_is_logged(
    daemon: RunningDaemon, server: RealServer
) -> None:
    reload(daemon, shard_table(server, "tiemout = 1"), "tiemout")
    assert "configuration not taken" in daemon.log()
    assert set(shards(daemon)) == {server.ident}
    assert connects(daemon) == 1


def test_each_reload_names_the_keys_that_need_a_restart(
    daemon: RunningDaemon, server: RealServer
) -> None:
    for _ in range(2):
        text = shard_table(server) + "[bus]\nhigh_water_mark = 5\n"
        reload(daemon, text, "needs a restart: bus.high_water_mark")


def test_the_local_watcher_can_be_enabled_and_disabled(server: RealServer) -> None:
    with RunningDaemon(config_text="[local]\nenabled = false\n") as daemon:
        assert shards(daemon) == {}
        reload(daemon, "[local]\nenabled = true\n", "configuration read again")
        wait_until(lambda: server.ident in shards(daemon), what="the server to be found")
        reload(daemon, "[local]\nenabled = false\n", "configuration read again")
        assert shards(daemon) == {}


def test_a_daemon_may_listen_on_ipv6(server: RealServer) -> None:
    with RunningDaemon([server.url], environ={"ZINFO_XMLRPC_LISTEN": "[::1]:0"}) as daemon:
        # It answers before it writes this line.
        wait_until(lambda: "XML-RPC server at http://[::1]:" in daemon.log(), what="the line")


class OpenDaemon(RunningDaemon):
    """A daemon whose bus listens on all addresses of the machine."""

    def _choose_addresses(self) -> None:
        super()._choose_addresses()
        self.bus = self.bus.replace("127.0.0.1", "0.0.0.0")


def test_clients_replace_a_wildcard_host_by_the_host_they_connected_to() -> None:
    with OpenDaemon(args=["--insecure"]) as daemon:
        hello: Any = daemon.ask("hello").body
        assert hello["bus"] == [daemon.bus]
        with Subscriber(daemon.query, kinds=["hb"]) as updates:
            assert isinstance(next(iter(updates)), Heartbeat)
