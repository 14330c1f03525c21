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
    BACKOFF,
    INTERVAL,
    SLACK,
    TIMEOUT,
    Watched,
    WatchingDaemon,
    watching_daemon,
)
from tests.promises import Promise
from tests.servers import RealServer
from tests.spawning import free_port
from tests.waiting import wait_until

IN_TIME = TIMEOUT + INTERVAL
"""Seconds within which the state of a shard is correct."""

BACK = BACKOFF + INTERVAL
"""Seconds within which a shard that works again is up."""


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
    shard, since = watch_until_up(watching, server, "killed")
    revision, killed = shard.facts()["revision"], time.time()
    server.kill()
    down = shard.wait_event("down", since)
    took = down["time"] - killed
    assert (down["old"], down["reason"]) == ("up", "refused")
    shard.assert_known("down", shard.facts()["revision"])
    assert shard.facts()["revision"] <= revision + 1
    back = time.time()
    server.start()
    up = shard.wait_event("up", since)
    shard.wait_event("restarted", since)
    promise(
        "a shard is killed, and back on its port",
        f"down, refused within {SLACK:g} s; up, restarted within {BACK:g} s",
        f"{took:.2f} s; {up['time'] - back:.2f} s",
    )
    assert took <= SLACK, "the lost connection tells, not the next poll"
    assert up["time"] - back <= BACK + SLACK
    assert shard.types(since) == ["down", "up", "restarted"]


@pytest.mark.parametrize(
    "seconds", [2.5, pytest.param(30, marks=[pytest.mark.slow, pytest.mark.timeout(180)])]
)
def test_a_server_that_is_stopped_for_a_while(
    watching: WatchingDaemon, server: RealServer, promise: Promise, seconds: float
) -> None:
    shard, since = watch_until_up(watching, server, f"stopped for {seconds} s")
    stopped, memory = time.time(), watching.memory()
    server.suspend()
    try:
        down = shard.wait_event("down", since)
        took = down["time"] - stopped
        shard.assert_known("down", shard.facts()["revision"])
        while time.time() < stopped + seconds:
            time.sleep(0.05)
        grown = watching.memory() - memory
    finally:
        back = time.time()
        server.resume()
    up = shard.wait_event("up", since)
    promise(
        f"a shard is stopped for {seconds:g} s",
        f"down, timeout within {IN_TIME:g} s; up within {BACK:g} s; memory stays",
        f"{took:.2f} s; {up['time'] - back:.2f} s; {grown / 1e6:+.1f} MB",
    )
    assert down["reason"] == "timeout"
    assert took <= IN_TIME + SLACK
    assert up["time"] - back <= BACK + SLACK
    assert grown < 5_000_000
    assert shard.types(since) == ["down", "up"], "it is the same process, and was down once"


def test_a_stop_for_less_than_the_timeout_has_no_effect(
    watching: WatchingDaemon, server: RealServer
) -> None:
    shard, since = watch_until_up(watching, server, "hiccup")
    server.suspend()
    time.sleep(TIMEOUT / 3)  # the fault itself
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
        f"down, refused within {SLACK:g} s; up within {BACK:g} s",
        f"{down['time'] - started:.2f} s; {up['time'] - back:.2f} s",
    )
    assert down["time"] - started <= 2 * SLACK  # includes the time of the reload
    assert up["time"] - back <= BACK + SLACK
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
        f"down, refused within {IN_TIME:g} s; up within {BACK:g} s",
        f"{down['time'] - killed:.2f} s; {up['time'] - back:.2f} s",
    )
    assert down["reason"] == "refused"
    assert "max number of clients" in down["message"]
    assert down["time"] - killed <= IN_TIME + SLACK
    assert up["time"] - back <= BACK + SLACK
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
        f"down, auth within {IN_TIME:g} s; up within {BACK:g} s after it accepts this one",
        f"{down['time'] - started:.2f} s; {up['time'] - back:.2f} s",
    )
    assert down["time"] - started <= IN_TIME + SLACK
    assert up["time"] - back <= BACK + SLACK
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
        f"down, noperm within {IN_TIME:g} s; up within {BACK:g} s",
        f"{down['time'] - taken:.2f} s; {up['time'] - back:.2f} s",
    )
    assert down["reason"] == "noperm"
    assert down["time"] - taken <= IN_TIME + SLACK
    assert up["time"] - back <= BACK + SLACK
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
        f"nothing; connection killed: down, auth within {IN_TIME:g} s; "
        f"new file: up within {BACK:g} s",
        f"nothing; {down['time'] - killed:.2f} s; {up['time'] - back:.2f} s",
    )
    assert down["reason"] == "auth"
    assert down["time"] - killed <= IN_TIME + SLACK
    assert up["time"] - back <= BACK + SLACK
    assert shard.types(since) == ["down", "up"]


def test_a_server_that_loads_a_large_file(
    watching: WatchingDaemon, server: RealServer, promise: Promise
) -> None:
    shard, since = watch_until_up(watching, server, "loading")
    client = server.client()
    with client.pipeline(transaction=False) as pipe:
        for number in range(1500):
            pipe.set(f"key:{number}", "x" * 100)
        pipe.execute()
    client.save()
    server.kill()
    shard.wait_event("down", since)
    # A server loads this slowly only with a debug setting: 1,500 keys in 1.5 seconds.
    server.args = ("--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
    started = time.time()
    server.start(loaded=False)
    loading = shard.wait_event("loading", since)
    facts = shard.facts()
    assert (facts["state"], facts["reason"]) == ("loading", "")
    info = shard.info("loading", "async_loading", "loading_loaded_bytes")
    assert info["loading"] == 1, "INFO says how far it is"
    assert info["meta"]["info_age"] <= IN_TIME + SLACK
    shard.wait_polls(2)
    wait_until(lambda: shard.info("loading")["loading"] == 0, 30, "the file to be read")
    ended = time.time()
    up = shard.wait_event("up", since)
    promise(
        "a shard loads a large file",
        f"loading within {BACK:g} s, INFO is fresh; up within {INTERVAL:g} s of its end",
        f"{loading['time'] - started:.2f} s; {up['time'] - ended:+.2f} s after the end was seen",
    )
    assert loading["time"] - started <= BACK + SLACK
    assert abs(up["time"] - ended) <= INTERVAL + SLACK
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
        failures = shard.facts()["failures"]
        wait_until(lambda: shard.facts()["failures"] > failures + 2, 10, "more polls to fail")
        assert shard.state() == ("busy", "")
        back = time.time()
    finally:
        server.cli("SCRIPT", "KILL")
        script.join()
    up = shard.wait_event("up", since)
    promise(
        "a shard is busy in a script",
        f"busy within {IN_TIME:g} s; up within {BACK:g} s of its end",
        f"{busy['time'] - started:.2f} s; {up['time'] - back:.2f} s",
    )
    assert busy["time"] - started <= IN_TIME + SLACK
    assert up["time"] - back <= BACK + SLACK
    assert shard.types(since) == ["busy", "up"]


def _spin(server: RealServer) -> None:
    client = redis.Redis(port=server.port, socket_timeout=60)
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
    wait_until(lambda: link() == "up", 20, "the link to stand")
    since, broken = watching.newest(), time.time()
    primary.kill()
    wait_until(lambda: link() == "down", 20, "the broken link to be seen")
    took = time.time() - broken
    assert shard.state() == ("up", "")
    kill_connections(
        replica.client()
    )  # a new connection must work, too, although other commands get -MASTERDOWN
    shard.wait_polls(3)
    primary.start()
    wait_until(lambda: link() == "up", 20, "the link to stand again")
    promise(
        "a replica loses its primary",
        f"up; master_link_status is down within {IN_TIME:g} s",
        f"up; {took:.2f} s",
    )
    assert took <= IN_TIME + SLACK
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
        f"role_changed within {IN_TIME:g} s; up all the time",
        f"{first['time'] - turned:.2f} and {second['time'] - turned:.2f} s",
    )
    assert (first["old"], first["new"]) == ("master", "slave")
    assert (second["old"], second["new"]) == ("slave", "master")
    assert max(first["time"], second["time"]) - turned <= IN_TIME + SLACK
    assert one.types(since) == two.types(since) == ["role_changed"]
    assert one.facts()["role"] == "slave"


def test_a_connection_is_killed_on_a_healthy_server(
    watching: WatchingDaemon, server: RealServer, promise: Promise
) -> None:
    shard, since = watch_until_up(watching, server, "cut")
    killed = time.time()
    kill_connections(server.client())
    error = shard.wait_event("polling_error", since)
    promise(
        "the connection to a healthy shard is killed",
        f"up; polling_error within {SLACK:g} s",
        f"up; {error['time'] - killed:.2f} s",
    )
    assert error["time"] - killed <= SLACK
    shard.wait_polls()
    assert shard.types(since) == ["polling_error"]
