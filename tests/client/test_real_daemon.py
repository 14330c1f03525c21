"""Both flavours against a real daemon that watches real servers."""

from __future__ import annotations

import contextlib
import math
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.client.flavours import Flavour
from tests.client.updates import following
from tests.daemons import RunningDaemon
from tests.security.keyring import ADMIN, Keyring
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.client import Delta, Event, Gap, Heartbeat, Mirror, Restart, Snapshot, Stale
from zinfo.errors import (
    BadRequestError,
    NoAnswerError,
    NotAllowedError,
    NotPolledError,
    UnknownOpError,
    UnknownShardError,
)

TIMES = """
[poll]
min_interval = 0.1
max_interval = 0.2
interval_step = 0.1
[bus]
heartbeat = 0.5
[history]
minutes = 1
step = 1
"""
AWAY = "redis://127.0.0.1:1"  # no server listens there


def shard(ident: str, url: str, site: str = "fra") -> str:
    return f'[[shards]]\nid = "{ident}"\nurl = "{url}"\nlabels = {{ site = "{site}" }}\n'


@pytest.fixture(scope="module")
def servers() -> Iterator[list[RealServer]]:
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(RealServer()) for _ in range(3)]


@pytest.fixture(scope="module")
def config(servers: list[RealServer]) -> str:
    """Shards a, b, c, and one that is down."""
    shards = [shard(*pair) for pair in zip("abc", (one.url for one in servers), strict=True)]
    return TIMES + "".join(shards) + shard("away", AWAY, "ams")


@pytest.fixture(scope="module")
def daemon(config: str) -> Iterator[RunningDaemon]:
    """One daemon for all tests that do not change it."""
    with RunningDaemon(config_text=config) as running:
        running.wait_polled(3)
        running.wait_settled()
        yield running


@pytest.fixture(scope="module")
def mortal(config: str) -> Iterator[RunningDaemon]:
    """A daemon for tests that suspend, kill or reload it; each leaves it running as it was."""
    with RunningDaemon(config_text=config) as running:
        running.wait_polled(3)
        yield running


def ids(infos: list[Any]) -> list[str]:
    return [info["meta"]["shard_identifier"] for info in infos]


def names(infos: list[Any]) -> set[str]:
    """The fields of all shards, without `meta`."""
    return {name for info in infos for name in info} - {"meta"}


# --- Client


def test_each_operation_is_answered(
    daemon: RunningDaemon, servers: list[RealServer], flavour: Flavour
) -> None:
    with flavour.client(daemon.query) as client:
        hello = client.hello()
        assert hello["bus"] == [daemon.bus]
        assert client.ping() == pytest.approx(time.time(), abs=60)
        assert client.stats()["poll"]
        states = {entry["id"]: entry["state"] for entry in client.shards()}
        assert states == {"a": "up", "b": "up", "c": "up", "away": "down"}
        assert ids(client.get_infos()) == ["a", "b", "c"]
        (entry,) = client.snapshot(["b"])
        assert entry["info"]["tcp_port"] == servers[1].port
        recent = client.events(shard_ids=["a"])
        assert [event.type for event in recent.events][:2] == ["added", "up"]
        assert not recent.missed
        assert recent.newest >= 8
        assert client.request("hello").epoch == hello["epoch"]


def test_each_argument_of_get_infos_has_its_effect(daemon: RunningDaemon, flavour: Flavour) -> None:
    with flavour.client(daemon.query) as client:
        assert ids(client.get_infos(["c", "a"])) == ["c", "a"]
        assert names(client.get_infos(keys=["role", "used_memory"])) == {"role", "used_memory"}
        prefixed = names(client.get_infos(["a"], ["used_memory"], prefix_matching=True))
        assert len(prefixed) > 3
        assert all(name.startswith("used_memory") for name in prefixed)
        assert "role" not in names(client.get_infos(["a"], sections=["Memory"]))
        assert ids(client.get_infos(labels={"site": "fra"})) == ["a", "b", "c"]
        assert client.get_infos(labels={"site": "nowhere"}) == []
        assert ids(client.get_infos(limit=1)) == ["a", "b", "c"]
        partial = client.get_infos(["a", "away", "nobody"], allow_partial=True)
        assert ["error" in info["meta"] for info in partial] == [False, True, True]
        assert client.get_infos(max_age=1e-9) == []
        assert [entry["id"] for entry in client.shards(labels={"site": "ams"})] == ["away"]
        assert [entry["id"] for entry in client.shards(["b"])] == ["b"]


def test_pages_are_yielded_one_by_one_without_omissions(
    daemon: RunningDaemon, flavour: Flavour
) -> None:
    with flavour.client(daemon.query) as client:
        pages = list(client.iter_infos(limit=2, keys=["role"]))
        assert [ids(page) for page in pages] == [["a", "b"], ["c"]]


def test_columns_have_the_values_of_get_infos(
    daemon: RunningDaemon, servers: list[RealServer], flavour: Flavour
) -> None:
    with flavour.client(daemon.query) as client:
        first = client.get_columns(["tcp_port", "role", "no_such_field"])
        columns = client.get_columns(["tcp_port", "role", "no_such_field"])
        assert columns.ids == ("a", "away", "b", "c")
        assert columns.ids is first.ids, "they came with the first call only"
        assert columns.states == ("up", "down", "up", "up")
        ports = dict(zip("abc", (server.port for server in servers), strict=True))
        assert list(columns["tcp_port"]) == [ports.get(shard) for shard in columns.ids]
        assert columns["tcp_port"].dtype == "int64"
        assert list(columns["role"]) == ["master", None, "master", "master"]
        assert set(columns["no_such_field"]) == {None}
        assert columns.ages[1] == math.inf
        assert all(0 <= columns.ages[at] < 60 for at in (0, 2, 3))
        assert client.get_columns(["role"], {"site": "ams"}).ids == ("away",)
        assert (columns.revisions, columns.times) == (None, None)
        columns = client.get_columns(["role"], with_revisions=True)
        assert columns.revisions is not None
        assert columns.times is not None
        assert [revision > 0 for revision in columns.revisions] == [True, False, True, True]
        assert [time > 0 for time in columns.times] == [True, False, True, True]
        with pytest.raises(BadRequestError, match="keys is missing"):
            client.get_columns([])


def test_a_history_has_the_last_values_of_each_shard(
    daemon: RunningDaemon, flavour: Flavour
) -> None:
    with flavour.client(daemon.query) as client:
        assert "history" in client.hello()["ops"]
        found = wait_until(
            lambda: filled if (filled := client.history())["memory"]["a"][-1] > 0 else None,
            what="a step that is over",
        )
        assert found is not None
        assert (found.ids, found.points, found.step) == (("a", "away", "b", "c"), 60, 1.0)
        assert abs(found.newest - time.time()) < 600
        assert found["memory"]["a"][-1] > 100_000
        assert all(map(math.isnan, found["memory"]["away"]))
        assert all(map(math.isnan, found["lag"]["a"]))
        some = client.history(["c", "b"], ["ops"], {"site": "fra"}, since=found.newest - 2.5)
        assert (some.ids, list(some)) == (("c", "b"), ["ops"])
        assert some.points >= 3
        with pytest.raises(BadRequestError, match="known are"):
            client.history(fields=["no_such_series"])
        with pytest.raises(UnknownShardError):
            client.history(["nope"])


def test_a_daemon_whose_history_is_disabled_has_no_such_operation(
    slow: RunningDaemon, flavour: Flavour
) -> None:
    with flavour.client(slow.query) as client:
        assert "history" not in client.hello()["ops"]
        with pytest.raises(UnknownOpError, match=r"has no history.*\[history\]"):
            client.history()


@pytest.fixture(scope="module")
def slow(servers: list[RealServer]) -> Iterator[RunningDaemon]:
    """A daemon that polls a shard only once, unless it is asked to."""
    text = "[poll]\nmin_interval = 600\nmax_interval = 600\n[history]\nenabled = false\n" + shard(
        "a", servers[0].url
    )
    with RunningDaemon(config_text=text) as running:
        running.wait_polled(1)
        yield running


def test_a_refresh_returns_newer_info(slow: RunningDaemon, flavour: Flavour) -> None:
    with flavour.client(slow.query) as client:
        (before,) = client.get_infos(keys=["used_memory"])
        wait_until(
            lambda: client.get_infos()[0]["meta"]["info_age"] > 0.2, what="the INFO to be old"
        )
        (after,) = client.get_infos(keys=["used_memory"], refresh=True, max_age=0.1)
        assert after["meta"]["revision"] > before["meta"]["revision"]


@pytest.mark.parametrize(
    ("error", "op", "args"),
    [
        (UnknownShardError, "get_infos", {"shard_ids": ["nobody"]}),
        (NotPolledError, "get_infos", {"shard_ids": ["away"]}),
        (KeyError, "get_infos", {"shard_ids": ["nobody"]}),
        (BadRequestError, "get_infos", {"max_age": "old"}),
        (BadRequestError, "shards", {"colour": "red"}),
        (UnknownOpError, "dance", {}),
    ],
)
def test_a_refusal_raises_its_own_error_and_the_next_call_works(
    daemon: RunningDaemon, flavour: Flavour, error: type[Exception], op: str, args: dict[str, Any]
) -> None:
    with flavour.client(daemon.query) as client:
        with pytest.raises(error):
            client.request(op, **args)
        assert client.ping()


def test_a_suspended_daemon_gives_no_answer_and_answers_after_it_resumes(
    mortal: RunningDaemon, flavour: Flavour
) -> None:
    with flavour.client(mortal.query) as client:
        assert client.ping()
        mortal.suspend()
        try:
            with pytest.raises(NoAnswerError, match="zinfo serve"):
                client.ping(timeout=0.5)
        finally:
            mortal.resume()
        assert client.ping()


@pytest.fixture(scope="module")
def hanging() -> Iterator[RunningDaemon]:
    """A daemon whose only shard replied once, and no more."""
    patient = {"ZINFO_POLL_TIMEOUT": "600", "ZINFO_QUERY_MIN_REFRESH_INTERVAL": "0"}
    with RealServer() as server, RunningDaemon([server.url], environ=patient) as running:
        running.wait_polled(1)
        server.suspend()
        yield running


def test_the_daemon_replies_before_the_timeout_of_the_call(
    hanging: RunningDaemon, flavour: Flavour
) -> None:
    with flavour.client(hanging.query, retries=0) as client:
        (info,) = client.get_infos(refresh=True, timeout=3)
        assert info["meta"]["info_age"] > 1, "it has waited for the poll"


def test_a_restarted_daemon_answers_the_same_client(
    mortal: RunningDaemon, flavour: Flavour
) -> None:
    with flavour.client(mortal.query) as client:
        epoch = client.hello()["epoch"]
        mortal.kill()
        mortal.start()
        assert client.hello()["epoch"] != epoch


# --- Subscriber


def test_each_kind_of_update_arrives_with_consecutive_revisions(
    daemon: RunningDaemon, flavour: Flavour
) -> None:
    kinds = ("info", "delta", "hb")
    with flavour.subscriber(daemon.query, shard_ids=["a"], kinds=kinds) as subscriber:
        beat = following(subscriber, Heartbeat)
        assert (beat.shards, beat.interval) == (4, 0.5)
        whole = following(subscriber, Snapshot)
        assert whole.info["role"] == "master"
        first, second = following(subscriber, Delta), following(subscriber, Delta)
        assert second.revision == first.revision + 1 == second.base + 1
        assert {first.shard, second.shard, whole.shard} == {"a"}


def test_events_report_a_server_that_is_killed_and_restarted(
    daemon: RunningDaemon, servers: list[RealServer], flavour: Flavour
) -> None:
    with flavour.subscriber(daemon.query, shard_ids=["c"], kinds=["event"]) as subscriber:
        servers[2].kill()
        try:
            down = following(subscriber, Event)
            assert (down.shard, down.type, down.reason) == ("c", "down", "refused")
        finally:
            servers[2].start()
        wanted = {"up", "restarted"}
        while wanted:
            wanted.discard(following(subscriber, Event).type)


def test_silence_is_reported_and_updates_continue_afterwards(
    mortal: RunningDaemon, flavour: Flavour
) -> None:
    with flavour.subscriber(mortal.query) as subscriber:
        following(subscriber, Delta)
        mortal.suspend()
        stale = following(subscriber, Stale)
        assert "no heartbeat" in stale.reason
        assert subscriber.stale
        mortal.resume()
        following(subscriber, (Gap, Delta))
        assert not subscriber.stale


def test_a_daemon_killed_and_started_again_gives_a_restart(
    mortal: RunningDaemon, flavour: Flavour
) -> None:
    with flavour.subscriber(mortal.query) as subscriber:
        following(subscriber, Delta)
        mortal.kill()
        following(subscriber, Stale)
        mortal.start()
        restart = following(subscriber, Restart)
        assert restart.epoch != restart.old_epoch
        following(subscriber, Delta)


# --- Mirror


def same(mirror: Mirror, daemon: RunningDaemon) -> bool:
    """Compare when both have the same revisions; False where they never had."""
    body: Any = daemon.ask("snapshot").body
    theirs = {entry["shard"]: entry for entry in body}
    if mirror.stale or set(mirror) != set(theirs):
        return False
    for ident, entry in theirs.items():
        view = mirror.view(ident)
        if view.revision != entry["revision"] or not view.fresh:
            return False
        assert view.info == entry["info"]
        assert view.state == entry["state"]
        assert mirror.labels(ident) == entry["labels"]
    return True


@contextlib.contextmanager
def under_load(server: RealServer) -> Iterator[None]:
    """Change fields of a server continuously."""
    over = threading.Event()

    def work() -> None:
        with redis.Redis(port=server.port) as client:
            number = 0
            while not over.wait(0.002):
                number += 1
                client.execute_command("SET", f"k{number % 50}", "x" * (number % 1000))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_it_repeatedly_equals_the_daemons_cache_under_load(
    daemon: RunningDaemon, servers: list[RealServer], flavour: Flavour
) -> None:
    with under_load(servers[0]), flavour.mirror(daemon.query) as mirror:
        mirror.wait_ready(60)
        assert set(mirror) == {"a", "b", "c", "away"}
        assert mirror.state("away") == ("down", "refused")
        revisions: set[int] = set()
        while len(revisions) < 5:
            wait_until(lambda: same(mirror, daemon), what="equal revisions")
            revisions.add(mirror.revision("a"))
        assert mirror.counters["gaps"] == 0


def test_it_is_stale_while_the_daemon_is_down_and_equal_after_its_restart(
    mortal: RunningDaemon, flavour: Flavour
) -> None:
    with flavour.mirror(mortal.query) as mirror:
        mirror.wait_ready(60)
        epoch = mirror.epoch
        mortal.kill()
        wait_until(lambda: mirror.stale, what="the silence to be noticed")
        assert mirror["a"]["role"] == "master"
        with pytest.raises(NoAnswerError):
            mirror.wait_ready(0.2)
        mortal.start()
        mirror.wait_ready(60)
        wait_until(lambda: same(mirror, mortal), what="equal revisions")
        assert mirror.epoch != epoch


def test_a_mirror_of_some_fields_has_what_queries_have(
    servers: list[RealServer], daemon: RunningDaemon, flavour: Flavour
) -> None:
    names = ["role", "total_commands_processed", "cmdstat_set"]
    heard: list[Delta] = []

    def note(ident: str, change: Delta | Event) -> None:
        if isinstance(change, Delta):
            heard.append(change)

    with (
        under_load(servers[0]),
        flavour.client(daemon.query) as client,
        flavour.mirror(daemon.query, fields=names) as mirror,
    ):
        mirror.wait_ready(60)
        mirror.on_change(note, fields=names[2:])
        wait_until(lambda: len(heard) > 5, what="some changes")

        def same_fields() -> bool:
            (info,) = client.get_infos(["a"], keys=names)
            view = mirror.view("a")
            if info.pop("meta")["revision"] != view.revision:
                return False
            assert view.info == info
            assert set(view.info) == set(names)
            return True

        wait_until(same_fields, what="equal revisions")
        assert set(mirror) == {"a", "b", "c", "away"}
        assert not mirror.stale
        assert mirror.counters["gaps"] == 0
    assert {(*change.set, *change.unset) for change in heard} == {(names[2],)}


def test_added_and_removed_shards_are_mirrored_and_reported(
    mortal: RunningDaemon, servers: list[RealServer], config: str, flavour: Flavour
) -> None:
    changes: list[tuple[str, str]] = []

    def note(ident: str, change: object) -> None:
        if isinstance(change, Event):
            changes.append((ident, change.type))

    with flavour.mirror(mortal.query) as mirror:
        mirror.wait_ready(60)
        mirror.on_change(note)
        mortal.config_path.write_text(
            TIMES + shard("a", servers[0].url) + shard("later", servers[1].url)
        )
        mortal.signal(signal.SIGHUP)
        wait_until(lambda: set(mirror) == {"a", "later"}, what="the shards of the new file")
        wait_until(lambda: same(mirror, mortal), what="equal revisions")
        assert {("b", "removed"), ("c", "removed"), ("later", "added")} <= set(changes)
        mortal.config_path.write_text(config)
        mortal.signal(signal.SIGHUP)
        wait_until(lambda: set(mirror) == {"a", "b", "c", "away"}, what="the shards as before")


# --- keys


RIGHTS = '[clients.admin]\n[clients.team]\nshards = ["cache-"]\n'


@pytest.fixture(scope="module")
def keyring() -> Iterator[Keyring]:
    with tempfile.TemporaryDirectory(prefix="zi-", dir="/tmp") as directory:
        yield Keyring(Path(directory) / "keys")


@pytest.fixture(scope="module")
def locked(keyring: Keyring, servers: list[RealServer]) -> Iterator[RunningDaemon]:
    """A daemon with keys, for a client with all rights and one with few."""
    keyring.authorize("team")
    shards = [("cache-1", servers[0].url), ("secret", servers[1].url)]
    with keyring.daemon(shards, RIGHTS) as running:
        running.wait_polled(2)
        yield running


def test_with_keys_all_three_are_admitted_and_without_them_none(
    locked: RunningDaemon, keyring: Keyring, flavour: Flavour
) -> None:
    keys = keyring.of(ADMIN)
    with (
        flavour.client(locked.query, keys=keys) as client,
        flavour.mirror(locked.query, keys=keys) as mirror,
        flavour.subscriber(locked.query, keys=keys) as subscriber,
    ):
        assert ids(client.get_infos()) == ["cache-1", "secret"]
        mirror.wait_ready(60)
        assert set(mirror) == {"cache-1", "secret"}
        following(subscriber, Delta)
    stranger = keyring.make(f"stranger-{flavour.name}")
    with (
        flavour.client(locked.query, timeout=0.5, keys=stranger) as client,
        pytest.raises(NoAnswerError),
    ):
        client.ping()
    with pytest.raises(NoAnswerError):
        flavour.subscriber(locked.query, timeout=0.5)


def test_a_client_with_fewer_rights_is_refused_the_rest(
    locked: RunningDaemon, keyring: Keyring, flavour: Flavour
) -> None:
    keys = keyring.of("team")
    with (
        flavour.client(locked.query, keys=keys) as client,
        flavour.mirror(locked.query, keys=keys) as mirror,
    ):
        mirror.wait_ready(60)
        assert set(mirror) == {"cache-1"}
        with pytest.raises(NotAllowedError):
            client.get_infos(["secret"])
