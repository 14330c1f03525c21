"""InfoPoller with real servers."""

from __future__ import annotations

import logging
import time
from typing import Any

import gevent
import gevent.event
import pytest
import redis

from tests.conftest import ServerFactory
from tests.gevent_side.peers import handshake, peer, read_command
from tests.gevent_side.watching import Watch, watching
from tests.load import put_load
from tests.server_kinds import ServerKind
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo import InfoPoller, RedisShard, ShardPublisher, StaticShardWatcher
from zinfo.info.parser import parse
from zinfo.poll.limits import PollLimits
from zinfo.shards.snapshot import Snapshot


def test_the_whole_info_of_each_kind_of_server_is_polled(
    each_kind: ServerKind, server_factory: ServerFactory
) -> None:
    server = server_factory(each_kind)
    put_load(server.client())
    with watching() as watch:
        shard = watch.add(server.url)
        watch.wait_polls(shard, 3)
        assert shard.info is not None
        assert set(parse(server.info_text()).fields) <= set(shard.info) | {"errorstat_ERR"}
        assert shard.role == "master"
        assert shard.version is not None
        assert shard.version.startswith(each_kind.name.partition("-")[2])
        assert watch.types() == ["added", "up"]


def test_shards_that_are_live_at_the_start_are_polled(server: RealServer) -> None:
    publisher = ShardPublisher()
    publisher.add_shard(RedisShard("early", server.url))
    with InfoPoller(publisher):
        wait_until(lambda: publisher.get_shard("early").revision, what="the first poll")


def test_a_killed_server_is_down_at_once_and_up_when_it_runs_again(server: RealServer) -> None:
    with watching() as watch:
        # The lost connection shows it, not the next poll, which is in ten minutes.
        shard = watch.add(server.url, MIN_POLLING_INTERVAL=600.0, MAX_POLLING_INTERVAL=600.0)
        watch.wait_for("up")
        server.kill()
        down = watch.wait_for("down")
        assert (down.old, down.new, down.reason) == ("up", "down", "refused")
        assert shard.info, "what was known stays readable"
        server.restart()
        watch.wait_for("up", count=2)
        watch.wait_for("restarted")
        assert (shard.state, shard.reason, shard.failures) == ("up", "", 0)


def test_a_stopped_server_is_down_with_timeout_and_then_up_again(server: RealServer) -> None:
    with watching(limits=PollLimits(timeout=1, connect_timeout=1)) as watch:
        watch.add(server.url)
        watch.wait_for("up")
        server.suspend()
        try:
            assert watch.wait_for("down").reason == "timeout"
        finally:
            server.resume()
        watch.wait_for("up", count=2)
        assert "restarted" not in watch.types()


def test_a_killed_connection_is_reopened_while_the_shard_stays_up(server: RealServer) -> None:
    with watching() as watch:
        shard = watch.add(server.url)
        watch.wait_polls(shard, 3)
        server.client().execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        event = watch.wait_for("polling_error")
        watch.wait_polls(shard)
        assert "closed by the server" in event.message
        assert "down" not in watch.types()


def test_a_change_of_role_emits_an_event(server_factory: ServerFactory) -> None:
    primary, replica = server_factory(), server_factory()
    with watching() as watch:
        shard = watch.add(replica.url)
        watch.wait_for("up")
        replica.client().execute_command("REPLICAOF", "127.0.0.1", primary.port)
        event = watch.wait_for("role_changed")
        assert (event.old, event.new) == ("master", "slave")
        assert shard.role == "slave"


def test_another_version_at_the_same_port_emits_an_event(server_factory: ServerFactory) -> None:
    server = server_factory()
    with watching() as watch:
        shard = watch.add(server.url)
        watch.wait_for("up")
        shard.version = "1.0"  # as if an older server had been polled
        server.kill()
        server.restart()
        event = watch.wait_for("version_changed")
        assert (event.old, event.new) == ("1.0", shard.version)


def test_an_upgrade_of_a_fork_without_a_run_id_is_seen() -> None:
    reply = {"version": b"df-v1.32.0", "uptime": b"1000"}
    info = (
        b"# Server\r\nredis_version:7.4.0\r\ndragonfly_version:%(version)b\r\n"
        b"uptime_in_seconds:%(uptime)b\r\nrole:master\r\n"
    )

    def script(sock: Any) -> None:
        handshake(sock)
        while True:
            text = info % {name.encode(): value for name, value in reply.items()}
            sock.sendall(b"$%d\r\n%b\r\n" % (len(text), text))
            read_command(sock)

    with watching() as watch, peer(script) as url:
        shard = watch.add(url)
        watch.wait_polls(shard, 3)
        assert shard.version == "df-v1.32.0"
        assert watch.types() == ["added", "up"]
        reply["version"], reply["uptime"] = b"df-v1.33.0", b"1"
        changed = watch.wait_for("version_changed")
        assert (changed.old, changed.new) == ("df-v1.32.0", "df-v1.33.0")
        assert watch.types() == ["added", "up", "restarted", "version_changed"]


def test_a_server_that_runs_a_script_is_busy_and_not_down(server_factory: ServerFactory) -> None:
    server = server_factory(args=("--lua-time-limit", "50"))
    with watching() as watch:
        shard = watch.add(server.url)
        watch.wait_for("up")
        script = gevent.spawn(_eval, server, "while true do end")
        watch.wait_for("busy")
        assert shard.reason == ""
        server.cli("SCRIPT", "KILL")
        watch.wait_for("up", count=2)
        script.join()


def _eval(server: RealServer, text: str) -> None:
    try:
        redis.Redis(port=server.port, socket_timeout=60).eval(text, 0)
    except redis.RedisError:
        return  # killed, as expected


def test_adaptive_intervals_grow_and_shrink(server: RealServer) -> None:
    tunables: dict[str, Any] = {
        "MIN_POLLING_INTERVAL": 0.05,
        "MAX_POLLING_INTERVAL": 0.2,
        "POLLING_INTERVAL_STEP": 0.05,
    }
    with watching() as watch:
        shard = watch.add(server.url, **tunables)
        wait_until(lambda: shard.polling_interval() == 0.2, what="the longest interval")
        client = server.client()

        def busy() -> bool:
            for _ in range(50):
                client.set("k", "v")
            return shard.polling_interval() == 0.05

        wait_until(busy, what="the shortest interval under load")


def test_an_interval_of_zero_polls_at_once_and_does_not_starve_others(
    server: RealServer,
) -> None:
    class Eager(RedisShard):
        def polling_interval(self) -> float:
            return 0

    with watching() as watch:
        eager = Eager("eager", server.url)
        watch.publisher.add_shard(eager)
        other = watch.add(server.url, "other", MIN_POLLING_INTERVAL=0.3, MAX_POLLING_INTERVAL=0.3)
        watch.wait_polls(other, 3)
        assert eager.revision > 3 * other.revision


@pytest.mark.parametrize("interval", [float("nan"), -1, "soon", None])
def test_an_invalid_interval_is_reported_and_polling_goes_on(
    server: RealServer, interval: Any
) -> None:
    class Odd(RedisShard):
        MAX_POLLING_INTERVAL = 0.05

        def polling_interval(self) -> Any:
            return interval

    reported: gevent.event.AsyncResult[None] = gevent.event.AsyncResult()
    with watching() as watch:
        watch.poller.set_exception_event(reported)
        shard = Odd("s", server.url)
        watch.publisher.add_shard(shard)
        watch.wait_for("polling_error")
        assert isinstance(reported.exception, (ValueError, TypeError))
        assert shard.state == "up"
        assert watch.poller.stats.poll.errors >= 1


def test_an_internal_error_while_connecting_is_reported_and_the_shard_is_retried(
    server: RealServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault")

    reported: gevent.event.AsyncResult[None] = gevent.event.AsyncResult()
    with watching() as watch:
        watch.poller.set_exception_event(reported)
        with monkeypatch.context() as patch:
            patch.setattr("zinfo.poll.shard_connector.connect_and_poll", broken)
            watch.add(server.url)
            down = watch.wait_for("down")
        assert (down.reason, down.message) == ("other", "RuntimeError: a fault")
        assert isinstance(reported.exception, RuntimeError)
        watch.wait_for("up")


def test_clients_of_every_kind_are_polled(server: RealServer) -> None:
    class Duck:
        def info(self) -> dict[str, Any]:
            return {"role": "duck", "instantaneous_ops_per_sec": 3, "run_id": "x"}

    class Broken:
        def info(self) -> dict[str, Any]:
            raise RuntimeError("no info today")

    with watching() as watch:
        shards = [
            watch.add(redis.Redis(port=server.port), "client"),
            watch.add(redis.Redis(port=server.port, decode_responses=True), "decoding"),
            watch.add(lambda: redis.Redis(port=server.port), "callable"),
            watch.add(Duck(), "duck"),
        ]
        broken = watch.add(Broken(), "broken")
        for shard in shards:
            watch.wait_polls(shard)
        assert shards[0].run_id == shards[1].run_id == shards[2].run_id
        assert shards[3].info is not None
        assert shards[3].info["role"] == "duck"
        watch.wait_for("down", "broken")
        assert broken.last_error == "no info today"


def test_subscribers_get_each_snapshot_with_the_previous_one(server: RealServer) -> None:
    seen: list[tuple[int, int]] = []

    def note(_shard: RedisShard, previous: Snapshot | None, snapshot: Snapshot) -> None:
        seen.append((previous.revision if previous else 0, snapshot.revision))

    with watching() as watch:
        watch.poller.subscribe_snapshots(note)
        watch.wait_polls(watch.add(server.url), 3)
        assert seen[:3] == [(0, 1), (1, 2), (2, 3)]
        assert watch.poller.revisions == len(seen)


def test_the_revisions_of_a_shard_that_is_added_again_continue(server: RealServer) -> None:
    with watching() as watch:
        first = watch.add(server.url)
        watch.wait_polls(first, 3)
        watch.publisher.del_shard("s")
        last = first.revision
        again = watch.add(server.url)
        wait_until(lambda: again.revision, what="a poll of the new shard")
        assert again.revision > last + 1
        assert watch.types()[-3:] == ["removed", "added", "up"]


def test_a_removed_shard_is_no_longer_polled(server: RealServer) -> None:
    with watching() as watch:
        shard = watch.add(server.url)
        watch.wait_polls(shard)
        watch.publisher.del_shard("s")
        revision = shard.revision
        other = watch.add(server.url, "other")
        watch.wait_polls(other, 4)
        assert shard.revision == revision
        wait_until(lambda: len(_zinfo_clients(server)) == 1, what="its connection to be closed")


def _zinfo_clients(server: RealServer) -> list[dict[str, str]]:
    clients: list[dict[str, str]] = server.client().client_list()
    return [client for client in clients if client["name"] == "zinfo"]


def test_refresh_polls_now_and_concurrent_calls_share_the_poll(server: RealServer) -> None:
    slow: dict[str, Any] = {"MIN_POLLING_INTERVAL": 60.0, "MAX_POLLING_INTERVAL": 60.0}
    with watching() as watch:
        shard = watch.add(server.url, **slow)
        watch.wait_for("up")
        first, second = (watch.poller.refresh("s", floor=0) for _ in range(2))
        assert first is not None
        assert first is second
        assert first.wait(60)
        assert shard.revision == 2
        assert watch.poller.stats.poll.refreshes == 1
        assert watch.poller.refresh("s", floor=60) is None
        assert watch.poller.refresh("unknown", floor=0) is None


def test_a_refresh_of_a_shard_that_is_down_ends_when_the_connect_failed(server: RealServer) -> None:
    with watching(max_backoff=60) as watch:
        watch.add(server.url, MIN_POLLING_INTERVAL=60.0, MAX_POLLING_INTERVAL=60.0)
        watch.wait_for("up")
        server.kill()
        watch.wait_for("down")
        done = watch.poller.refresh("s", floor=0)
        assert done is not None
        assert done.wait(60)


def test_failures_are_logged_once_after_log_after_failures(
    server: RealServer, caplog: pytest.LogCaptureFixture
) -> None:
    with watching(log_after_failures=3) as watch, caplog.at_level(logging.WARNING):
        shard = watch.add(server.url)
        watch.wait_for("up")
        server.kill()
        wait_until(lambda: shard.failures >= 5, what="five failures")
        assert caplog.text.count("failures in a row") == 1
        server.restart()
        watch.wait_for("up", count=2)
        assert "replies again after" in caplog.text


def test_the_number_of_simultaneous_connects_is_bounded(server: RealServer) -> None:
    under_way: list[int] = []

    def connect() -> redis.Redis:
        under_way.append(1)
        most.append(len(under_way))
        gevent.sleep(0.02)
        under_way.pop()
        return redis.Redis(port=server.port)

    most: list[int] = []
    with watching(max_connecting=4) as watch:
        shards = [watch.add(connect, f"s{number}") for number in range(30)]
        wait_until(lambda: all(shard.revision for shard in shards), what="all shards polled")
    assert 1 < max(most) <= 4


def test_shards_started_together_do_not_stay_in_step(server: RealServer) -> None:
    minute: dict[str, Any] = {"MIN_POLLING_INTERVAL": 60.0, "MAX_POLLING_INTERVAL": 60.0}

    def tenths(watch: Watch) -> list[int]:
        """Return how many polls are due in each tenth of the next minute."""
        now = time.monotonic()
        times = [polled.due - now for polled in watch.poller._states.values()]
        return [sum(1 for due in times if n * 6 <= due < n * 6 + 6) for n in range(11)]

    with watching() as watch:
        shards = [watch.add(server.url, f"s{n}", **minute) for n in range(200)]
        wait_until(lambda: all(shard.revision for shard in shards), what="all shards polled")
        assert all(count >= 5 for count in tenths(watch)[:10]), tenths(watch)
        asked = [watch.poller.refresh(shard.id, floor=0) for shard in shards]
        polls = [done for done in asked if done is not None]
        assert len(gevent.wait(polls, timeout=60)) == len(shards), "all polled once more"
        later = tenths(watch)
        assert later[9] >= 50, later
        assert later[10] >= 50, later


def test_stopping_closes_every_connection(server: RealServer) -> None:
    with watching() as watch:
        shards = [watch.add(server.url, f"s{number}") for number in range(5)]
        wait_until(lambda: all(shard.revision for shard in shards), what="all shards polled")
    wait_until(lambda: not _zinfo_clients(server), what="all connections to be closed")


def test_a_static_watcher_with_a_new_list_keeps_the_connections_of_its_shards(
    server_factory: ServerFactory,
) -> None:
    one, two = server_factory(), server_factory()
    with watching() as watch, StaticShardWatcher(watch.publisher, [one.url]) as static:
        watch.wait_for("up", one.ident)
        first = watch.publisher.get_shard(one.ident)
        static.set_shards([one.url, two.url])
        watch.wait_for("up", two.ident)
        static.set_shards([one.url])
        watch.wait_for("removed", two.ident)
        assert watch.publisher.get_shard(one.ident) is first
        assert watch.types(one.ident) == ["added", "up"]
    assert len(watch.publisher) == 0


def test_the_deprecated_keywords_of_the_poller_work_and_warn_once() -> None:
    with pytest.warns(DeprecationWarning, match="use log_after_failures and max_backoff") as warned:
        poller = InfoPoller(ShardPublisher(), grace=7, backoff_max=9.0)
    poller.stop()
    failures = poller._failures
    assert (failures._log_after_failures, failures._max_backoff) == (7, 9.0)
    assert [warning.filename for warning in warned] == [__file__]
