"""Real servers that are killed, stopped, full, loading, busy, refuse zinfo or change their role."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.conftest import ServerFactory
from tests.faults.watched import (
    INTERVAL,
    LONG,
    NEVER,
    SHORT,
    TIMEOUT,
    Watched,
    WatchingDaemon,
    watching_daemon,
)
from tests.promises import Promise
from tests.servers import RealServer
from tests.spawning import free_port
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def watching() -> Iterator[WatchingDaemon]:
    with watching_daemon() as running:
        yield running


def watch_until_up(
    watching: WatchingDaemon, server: RealServer, ident: str, **options: object
) -> tuple[Watched, int]:
    """Watch a server until it is up; return the shard and the number of the newest event."""
    shard = watching.watch(ident, server.url, **options)
    shard.wait_up()
    shard.wait_polls(1)
    return shard, watching.newest()


def kill_connections(client: redis.Redis) -> None:
    """Kill all connections of a server except this client's."""
    client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")


def test_a_server_that_is_killed_and_restarted_on_the_same_port(
    watching: WatchingDaemon, server: RealServer, promise: Promise
) -> None:
    shard = watching.watch("killed", server.url, **NEVER)
    shard.wait_up()
    since, revision, killed = watching.newest(), shard.facts()["revision"], time.time()
    server.kill()
    down = shard.wait_event("down", since)
    took = down["time"] - killed
    assert (down["old"], down["reason"]) == ("up", "refused"), "the lost connection tells"
    shard.assert_known("down", revision)
    back = time.time()
    server.start()
    up = shard.wait_event("up", since)
    shard.wait_event("restarted", since)
    promise(
        "a shard is killed, and back on its port",
        "down, refused; up, restarted",
        f"{took:.2f} s; {up['time'] - back:.2f} s",
    )
    assert shard.types(since) == ["down", "up", "restarted"]


@pytest.mark.parametrize(
    "failures", [2, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(600)])]
)
def test_a_server_that_is_stopped_for_a_while(
    watching: WatchingDaemon, server: RealServer, promise: Promise, failures: int
) -> None:
    shard, since = watch_until_up(watching, server, f"stopped for {failures} polls", **SHORT)
    stopped, memory = time.time(), watching.memory()
    server.suspend()
    try:
        down = shard.wait_event("down", since)
        took = down["time"] - stopped
        shard.assert_known("down", shard.facts()["revision"])
        shard.wait_failures(failures)
        grown = watching.memory() - memory
    finally:
        back = time.time()
        server.resume()
    up = shard.wait_event("up", since)
    promise(
        f"a shard is stopped for {back - stopped:.1f} s",
        "down, timeout; up; memory stays",
        f"{took:.2f} s; {up['time'] - back:.2f} s; {grown / 1e6:+.1f} MB",
    )
    assert down["reason"] == "timeout"
    assert grown < 5_000_000
    assert shard.types(since) == ["down", "up"], "it is the same process, and was down once"


def test_a_stop_for_less_than_the_timeout_has_no_effect(
    watching: WatchingDaemon, server: RealServer
) -> None:
    shard, since = watch_until_up(watching, server, "hiccup")
    assert 2 * INTERVAL < TIMEOUT
    server.suspend()
    time.sleep(2 * INTERVAL)  # the fault itself
    server.resume()
    shard.wait_polls(3)
    assert shard.types(since) == []


def test_a_server_that_refuses_from_the_start(
    watching: WatchingDaemon, server_factory: ServerFactory, promise: Promise
) -> None:
    port, started = free_port(), time.time()
    shard = watching.watch("refusing", f"redis://127.0.0.1:{port}")
    down = shard.wait_event("down")
    assert (down["old"], down["reason"]) == ("new", "refused")
    error = watching.daemon.ask("get_infos", shard_ids=[shard.id]).error
    assert error is not None
    assert error.code == "not_polled"
    back = time.time()
    server_factory(port=port)
    up = shard.wait_event("up")
    promise(
        "a shard refuses from the start",
        "down, refused; up",
        f"{down['time'] - started:.2f} s; {up['time'] - back:.2f} s",
    )
    assert shard.types() == ["added", "down", "up"]


def test_a_server_out_of_client_connections(
    watching: WatchingDaemon, server: RealServer, promise: Promise
) -> None:
    shard, since = watch_until_up(watching, server, "full")
    client = server.client()
    client.config_set("maxclients", 1)
    shard.wait_polls(3)
    assert shard.types(since) == [], "who has a connection keeps it"
    killed = time.time()
    kill_connections(client)
    down = shard.wait_event("down", since)
    shard.assert_known("down", shard.facts()["revision"])
    back = time.time()
    client.config_set("maxclients", 100)
    up = shard.wait_event("up", since)
    promise(
        "a shard is out of client connections",
        "down, refused; up",
        f"{down['time'] - killed:.2f} s; {up['time'] - back:.2f} s",
    )
    assert down["reason"] == "refused"
    assert "max number of clients" in down["message"]
    assert shard.types(since) == ["down", "up"]


def test_a_wrong_password_from_the_start(
    watching: WatchingDaemon, server_factory: ServerFactory, promise: Promise
) -> None:
    server = server_factory(password="s3cret")
    started = time.time()
    shard = watching.watch("wrong password", f"redis://:wr0ng@127.0.0.1:{server.port}")
    down = shard.wait_event("down")
    assert (down["old"], down["reason"]) == ("new", "auth")
    back = time.time()
    server.client().config_set("requirepass", "wr0ng")
    up = shard.wait_event("up")
    promise(
        "a shard requires another password",
        "down, auth; up after it accepts this one",
        f"{down['time'] - started:.2f} s; {up['time'] - back:.2f} s",
    )
    assert "wr0ng" not in watching.daemon.log()
    assert "wr0ng" not in str(shard.events())
    assert "wr0ng" not in str(shard.facts())


def test_a_user_loses_the_permission_to_run_info(
    watching: WatchingDaemon, server: RealServer, promise: Promise
) -> None:
    admin = server.client()
    admin.execute_command("ACL", "SETUSER", "zinfo", "on", ">pw", "+info", "+client|setname")
    shard, since = watch_until_up(watching, server, "acl", username="zinfo", password="pw")
    taken = time.time()
    admin.execute_command("ACL", "SETUSER", "zinfo", "-info")
    down = shard.wait_event("down", since)
    shard.assert_known("down", shard.facts()["revision"])
    back = time.time()
    admin.execute_command("ACL", "SETUSER", "zinfo", "+info")
    up = shard.wait_event("up", since)
    promise(
        "a shard's ACL no longer has INFO",
        "down, noperm; up",
        f"{down['time'] - taken:.2f} s; {up['time'] - back:.2f} s",
    )
    assert down["reason"] == "noperm"
    assert shard.types(since) == ["down", "up"]


@pytest.mark.parametrize("how", ["requirepass", pytest.param("ACL", marks=pytest.mark.slow)])
def test_a_password_that_changes_while_connected(
    watching: WatchingDaemon,
    server_factory: ServerFactory,
    tmp_path: Path,
    promise: Promise,
    how: str,
) -> None:
    server = server_factory(password="old")
    file = tmp_path / "password"
    file.write_text("old\n")
    file.chmod(0o600)
    shard = watching.watch(
        f"rotated {how}", f"redis://127.0.0.1:{server.port}", password_file=str(file)
    )
    shard.wait_up()
    shard.wait_polls()
    since, admin = watching.newest(), server.client()
    if how == "ACL":
        admin.execute_command("ACL", "SETUSER", "default", "resetpass", ">new")
    else:
        admin.config_set("requirepass", "new")
    shard.wait_polls(2)
    assert shard.types(since) == [], "a connection that stands stays good"
    killed = time.time()
    kill_connections(admin)
    down = shard.wait_event("down", since)
    shard.assert_known("down", shard.facts()["revision"])
    back = time.time()
    file.write_text("new\n")
    up = shard.wait_event("up", since)
    promise(
        f"a shard's password changes ({how})",
        "nothing; connection killed: down, auth; new file: up",
        f"nothing; {down['time'] - killed:.2f} s; {up['time'] - back:.2f} s",
    )
    assert down["reason"] == "auth"
    assert shard.types(since) == ["down", "up"]


def test_a_server_that_loads_a_large_file(
    watching: WatchingDaemon, server: RealServer, promise: Promise
) -> None:
    shard, since = watch_until_up(watching, server, "loading")
    client = server.client()
    with client.pipeline(transaction=False) as pipe:
        for number in range(6000):
            pipe.set(f"key:{number}", "x" * 100)
        pipe.execute()
    client.save()
    server.kill()
    shard.wait_event("down", since)
    # Only with a debug setting does a server load this slowly: 6,000 keys in a minute.
    server.args = ("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024")
    started = time.time()
    server.start(loaded=False)
    loading = shard.wait_event("loading", since)
    facts = shard.facts()
    assert (facts["state"], facts["reason"]) == ("loading", "")
    info = shard.info("loading", "async_loading", "loading_loaded_bytes")
    assert info["loading"] == 1, "INFO says how far it is"
    shard.wait_polls(2)
    assert shard.state() == ("loading", "")
    ended = time.time()
    assert server.cli("CONFIG", "SET", "key-load-delay", 0) == b"+OK\r\n"
    up = shard.wait_event("up", since)
    promise(
        "a shard loads a large file",
        "loading, INFO is fresh; up with the next poll after its end",
        f"{loading['time'] - started:.2f} s; {up['time'] - ended:+.2f} s after the delay ended",
    )
    assert [kind for kind in shard.types(since) if kind != "restarted"] == ["down", "loading", "up"]


def test_a_server_busy_in_a_script(
    watching: WatchingDaemon, server: RealServer, promise: Promise
) -> None:
    server.client().config_set("lua-time-limit", 50)
    shard, since = watch_until_up(watching, server, "busy")
    started = time.time()
    script = threading.Thread(target=_spin, args=(server,))
    script.start()
    try:
        busy = shard.wait_event("busy", since)
        shard.assert_known("busy", shard.facts()["revision"])
        shard.wait_failures(3)
        assert shard.state() == ("busy", "")
        back = time.time()
    finally:
        server.cli("SCRIPT", "KILL")
        script.join()
    up = shard.wait_event("up", since)
    promise(
        "a shard is busy in a script",
        "busy; up after its end",
        f"{busy['time'] - started:.2f} s; {up['time'] - back:.2f} s",
    )
    assert shard.types(since) == ["busy", "up"]


def _spin(server: RealServer) -> None:
    client = redis.Redis(port=server.port, socket_timeout=2 * LONG)
    with contextlib.suppress(redis.RedisError), client:
        client.eval("while true do end", 0)


def test_a_replica_without_its_primary_is_up(
    watching: WatchingDaemon, server_factory: ServerFactory, promise: Promise
) -> None:
    primary = server_factory(args=("--repl-diskless-sync-delay", "0"))
    replica = server_factory(args=("--replica-serve-stale-data", "no"))
    replica.client().execute_command("REPLICAOF", "127.0.0.1", primary.port)
    shard = watching.watch("replica", replica.url)

    def link() -> str:
        return str(shard.info("master_link_status")["master_link_status"])

    shard.wait_up()
    wait_until(lambda: link() == "up", LONG, "the link to stand")
    since, broken = watching.newest(), time.time()
    primary.kill()
    wait_until(lambda: link() == "down", LONG, "the broken link to be seen")
    took = time.time() - broken
    assert shard.state() == ("up", "")
    kill_connections(
        replica.client()
    )  # a new connection must work, too, although other commands get -MASTERDOWN
    shard.wait_polls(3)
    primary.start()
    wait_until(lambda: link() == "up", LONG, "the link to stand again")
    promise(
        "a replica loses its primary",
        "up; master_link_status is down",
        f"up; {took:.2f} s",
    )
    assert shard.types(since) == ["polling_error"], "that of the killed connection"


def test_a_failover(
    watching: WatchingDaemon, server_factory: ServerFactory, promise: Promise
) -> None:
    primary, replica = server_factory(), server_factory()
    replica.client().execute_command("REPLICAOF", "127.0.0.1", primary.port)
    one, two = (watching.watch(f"failover {s.port}", s.url) for s in (primary, replica))
    for shard in (one, two):
        shard.wait_up()
        shard.wait_polls()
    since, turned = watching.newest(), time.time()
    replica.client().execute_command("REPLICAOF", "NO", "ONE")
    primary.client().execute_command("REPLICAOF", "127.0.0.1", replica.port)
    first, second = one.wait_event("role_changed", since), two.wait_event("role_changed", since)
    promise(
        "failover",
        "role_changed; up all the time",
        f"{first['time'] - turned:.2f} and {second['time'] - turned:.2f} s",
    )
    assert (first["old"], first["new"]) == ("master", "slave")
    assert (second["old"], second["new"]) == ("slave", "master")
    assert one.types(since) == two.types(since) == ["role_changed"]
    assert one.facts()["role"] == "slave"


def test_a_connection_is_killed_on_a_healthy_server(
    watching: WatchingDaemon, server: RealServer, promise: Promise
) -> None:
    shard = watching.watch("cut", server.url, **NEVER)
    shard.wait_up()
    since, revision, killed = watching.newest(), shard.facts()["revision"], time.time()
    kill_connections(server.client())
    error = shard.wait_event("polling_error", since)
    promise(
        "the connection to a healthy shard is killed",
        "up; polling_error",
        f"up; {error['time'] - killed:.2f} s",
    )
    wait_until(lambda: shard.facts()["revision"] > revision, LONG, "a poll over a new connection")
    assert shard.types(since) == ["polling_error"]
