"""The feed with a real daemon: the data of the daemon gets into the model."""

from __future__ import annotations

import logging
import math
import signal
import threading
from collections.abc import Callable, Iterator

import pytest

from tests.daemons import RunningDaemon
from tests.info_texts import TEXTS
from tests.security.conftest import keyring
from tests.security.keyring import Keyring
from tests.servers import RealServer, free_port, put_load
from tests.top.environ import SOON
from tests.waiting import wait_until
from zinfo.client import Client
from zinfo.info.parser import parse
from zinfo.top.daemon_reader import allowed_operations
from zinfo.top.feed import Feed
from zinfo.top.history import STEP, step_at
from zinfo.top.log_bridge import warnings_as_events
from zinfo.top.model import NO_REPORT, TopModel
from zinfo.top.sections import NAMES, fetch_sections
from zinfo.views.expressions import DATABASES
from zinfo.views.rows import Field, Row, Series

__all__ = ["keyring"]  # a fixture

TIMEOUT = 60.0
"""Seconds in which all that is waited for here happens, on a machine with much else to do."""


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    with RealServer() as server:
        put_load(server.client(), 100)
        yield server


@pytest.fixture(scope="module")
def daemon(server: RealServer) -> Iterator[RunningDaemon]:
    config = f'[[shards]]\nurl = "{server.url}"\nlabels = {{ site = "fra" }}\n'
    with RunningDaemon(config_text=config, environ=SOON) as daemon:
        daemon.wait_polled(1)
        yield daemon


@pytest.fixture
def feed(daemon: RunningDaemon) -> Iterator[Feed]:
    """A new feed, which shows that the shard is up."""
    with Feed(daemon.query) as feed:
        feed.want("test", DATABASES)
        until(feed, lambda model, now: [row.status for row in model.rows(now)] == ["up"])
        yield feed


def test_a_feed_of_some_labels_has_only_the_shards_and_events_of_these(
    daemon: RunningDaemon,
) -> None:
    with Feed(daemon.query, labels={"site": "none"}) as feed:
        feed.wait_ready(60)
        feed.add_event("note", "of this process")
        until(feed, lambda model, _: model.events_complete_to)
        with feed.locked() as model:
            assert model.rows(feed.now()) == []
            assert kinds(model) == ["note"]


def kinds(model: TopModel) -> list[str]:
    """The types of the events, oldest first."""
    return [event.type for event in model.events(100)]


def until(feed: Feed, predicate: Callable[[TopModel, float], object]) -> None:
    """Wait until the predicate is true of the model."""

    def check() -> object:
        with feed.locked() as model:
            return predicate(model, feed.now())

    wait_until(check, TIMEOUT, "the model")


def test_a_shards_row_has_the_values_of_the_server(feed: Feed, server: RealServer) -> None:
    put_load(server.client(), 100)

    def idle_again(model: TopModel, now: float) -> bool:
        (row,) = model.rows(now)
        return row.hit_ratio is None and row.interval is not None

    until(feed, idle_again)
    with feed.locked() as model:
        (row,) = model.rows(feed.now())
    assert row.shard == server.ident
    assert row.labels == {"site": "fra"}
    assert row.role == "master"
    assert row.version is not None
    assert row.version.startswith(server.kind.name.rpartition("-")[2])
    assert row.keys == server.client().dbsize()
    assert row.hit_ratio_overall is not None
    assert 0 < row.hit_ratio_overall < 1
    assert row.interval is not None
    assert 0.01 < row.interval < 5
    assert row.age < TIMEOUT


def test_fields_that_a_view_wants_are_in_its_rows_until_it_is_closed(
    feed: Feed, server: RealServer
) -> None:
    """More than one request has room for, fields that no server has, texts, maps and counters."""
    names = [*parse(server.info_text()).fields, *(f"no_such_{number}" for number in range(40))]
    wanted = ["redis_version", "total_reads_processed", "cmdstat_info", "used_memory_rss_human"]
    feed.want("one", ["tcp_port"])
    feed.want("two", [*wanted, *names])

    def read(model: TopModel, now: float) -> Row | None:
        (row,) = model.rows(now)
        rates = row.rates.get("total_reads_processed"), row.rates.get("cmdstat_info.calls")
        return row if all(rates) else None

    until(feed, read)
    with feed.locked() as model:
        (row,) = model.rows(feed.now())
    assert row.info["tcp_port"] == server.port
    assert row.info["redis_version"] == server.client().info("server")["redis_version"]
    assert isinstance(row.info["cmdstat_info"], dict)
    assert not any(name.startswith("no_such") for name in row.info)
    feed.want("two", ())
    until(feed, lambda model, now: "redis_version" not in model.rows(now)[0].info)
    with feed.locked() as model:
        assert "tcp_port" in model.rows(feed.now())[0].info


def test_plots_begin_with_what_the_daemon_has_of_the_past(server: RealServer) -> None:
    config = f'[history]\nstep = 1.0\n[[shards]]\nurl = "{server.url}"\n'
    with (
        RunningDaemon(config_text=config, environ=SOON) as daemon,
        Client(daemon.query, timeout=TIMEOUT) as client,
    ):
        daemon.wait_polled(1)

        def has_past() -> bool:
            values = client.history(fields=["memory"])["memory"][server.ident]
            return sum(not math.isnan(value) for value in values) > 2 * STEP

        wait_until(has_past, TIMEOUT, "a history")
        with Feed(daemon.query) as feed:
            began = step_at(feed.now())

            def has_values_before_it(series: Series | None) -> bool:
                assert series is not None
                before = series.memory[: began - series.newest - 1]
                return any(not math.isnan(value) for value in before)

            until(feed, lambda model, _: len(model))
            until(feed, lambda model, now: has_values_before_it(model.series(server.ident, now)))
            until(feed, lambda model, now: has_values_before_it(model.totals_series(now)))


def test_a_daemon_without_history_is_shown_all_the_same(server: RealServer) -> None:
    config = f'[history]\nenabled = false\n[[shards]]\nurl = "{server.url}"\n'
    with RunningDaemon(config_text=config, environ=SOON) as daemon, Feed(daemon.query) as feed:
        until(feed, lambda model, now: [one.status for one in model.rows(now)] == ["up"])
        until(feed, lambda model, now: not model.unfilled(1))
        with feed.locked() as model:
            series = model.series(server.ident, feed.now())
        assert series is not None
        assert any(not math.isnan(value) for value in series.memory)


def test_the_names_of_all_fields_and_labels_are_known_soon(feed: Feed, server: RealServer) -> None:
    until(feed, lambda model, _: model.known().fields)
    with feed.locked() as model:
        known = model.known()
    assert {"used_memory", "tcp_port", "db0.keys", "cmdstat_info.calls"} <= known.fields
    assert known.labels == {"site"}


def test_a_field_that_is_newly_wanted_is_read_at_once(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zinfo.top.feed.INTERVAL", 3 * TIMEOUT)
    feed.want("test", ["tcp_port"])
    until(feed, lambda model, now: "tcp_port" in model.rows(now)[0].info)
    feed.want("test", ["tcp_port", "mem_allocator"])
    until(feed, lambda model, now: "mem_allocator" in model.rows(now)[0].info)


def test_counters_have_rates_under_load(feed: Feed, server: RealServer) -> None:
    def busy(model: TopModel, now: float) -> bool:
        put_load(server.client(), 20)
        feed.follow_shard(server.ident)
        fields = {
            field.name: field
            for section in model.sections(server.ident, now)
            for field in section.fields
        }
        if not fields:  # not read yet
            return False
        rate = fields["total_commands_processed"].rate
        return rate is not None and rate > 5 and fields["keyspace_hits"].changed is not None

    until(feed, busy)


def test_a_shard_that_dies_is_down_until_it_is_back(feed: Feed, server: RealServer) -> None:
    server.kill()
    until(feed, lambda model, now: model.rows(now)[0].status == "down: refused")
    with feed.locked() as model:
        (row,) = model.rows(feed.now())
    assert "refused" in row.error
    assert row.since is not None
    assert 0 <= row.since < TIMEOUT
    assert row.memory, "that of its newest INFO"
    server.start()
    until(feed, lambda model, now: model.rows(now)[0].status == "up")
    until(feed, lambda model, _: {"down", "restarted"} <= set(kinds(model)))


def test_a_reset_of_the_statistics_gives_no_rate_that_is_negative_or_giant(
    feed: Feed, server: RealServer
) -> None:
    client = server.client()
    seen: list[float | None] = []

    def hits(model: TopModel, now: float) -> Field:
        feed.follow_shard(server.ident)
        sections = model.sections(server.ident, now)
        fields = [field for section in sections for field in section.fields]
        return next(
            (one for one in fields if one.name == "keyspace_hits"), Field("", 0, None, None)
        )

    put_load(client, 2000)
    read = client.info("stats")["keyspace_hits"]
    until(feed, lambda model, now: hits(model, now).value == read)
    until(feed, lambda model, now: model.rows(now)[0].hit_ratio is None)  # it is idle again

    def look() -> bool:
        with feed.locked() as model:
            now = feed.now()
            (row,) = model.rows(now)
            seen.append(hits(model, now).rate)
        return row.hit_ratio_overall is None  # the server has forgotten all reads

    client.config_resetstat()
    wait_until(look, TIMEOUT, "the reset to be seen")
    assert all(rate is None or rate == 0 for rate in seen)


def test_events_from_before_the_feed_are_there(daemon: RunningDaemon) -> None:
    daemon.restart()
    daemon.wait_polled(1)
    with Feed(daemon.query) as feed:
        until(feed, lambda model, _: kinds(model) == ["added", "up"])
        with feed.locked() as model:
            assert [event.number for event in model.events(9)] == [1, 2]


def test_sections_are_known_soon_after_a_shard_is_followed(feed: Feed, server: RealServer) -> None:
    def known(model: TopModel, now: float) -> bool:
        feed.follow_shard(server.ident)
        return bool(model.sections(server.ident, now)) and not model.lacks_sections(server.ident)

    until(feed, known)
    with feed.locked() as model:
        sections = model.sections(server.ident, feed.now())
    names = [section.name for section in sections]
    assert names == [name for name in NAMES if name in names]  # and "Other" is not among them
    assert {"Server", "Memory", "Stats", "CPU", "Keyspace", "Commandstats"} <= set(names)


@pytest.mark.parametrize("name", [name for name in TEXTS if not name.startswith("handmade")])
def test_every_section_of_a_server_that_was_met_is_known(name: str) -> None:
    # Those of modules are not: `top` has their fields under "Other".
    found = {section for section in parse(TEXTS[name]).sections if section[:1].isupper()}
    assert found <= set(NAMES)


def test_a_silent_daemon_makes_all_shards_stale_with_a_reason(
    feed: Feed, daemon: RunningDaemon
) -> None:
    daemon.suspend()
    until(feed, lambda model, now: not model.feed(now).fresh and model.feed(now).problem)
    with feed.locked() as model:
        assert [row.status for row in model.rows(feed.now())] == ["stale"]
    until(feed, lambda model, _: kinds(model)[-1:] == ["stale"])
    daemon.resume()
    until(feed, lambda model, now: model.feed(now).fresh)
    until(feed, lambda model, _: kinds(model)[-1:] == ["again"])


def test_a_restarted_daemon_is_followed_and_reported(feed: Feed, daemon: RunningDaemon) -> None:
    until(feed, lambda model, _: "up" in kinds(model))
    with feed.locked() as model:
        before = kinds(model)
    daemon.restart()
    until(
        feed,
        lambda model, now: (
            model.feed(now).fresh
            and kinds(model)[-2:] == ["added", "up"]
            and len(kinds(model)) > len(before) + 2
        ),
    )
    with feed.locked() as model:
        types = kinds(model)
    assert types[: len(before)] == before
    assert types.count("restart") == 1
    assert types[len(before) :].count("up") == 1


def test_a_client_with_few_rights_sees_its_shards_and_changes_of_their_state(
    keyring: Keyring, server: RealServer
) -> None:
    """It may call `get_infos` only: it gets no events, and no sections of other clients."""
    keyring.authorize("team")
    rights = '[clients.admin]\n[clients.team]\nshards = ["mine"]\noperations = ["get_infos"]\n'
    shards = [("mine", server.url), ("other", server.url)]
    with keyring.daemon(shards, rights) as daemon:
        daemon.wait_polled(2)
        with Feed(daemon.query, keys=keyring.of("team")) as feed:
            feed.wait_ready(TIMEOUT)
            with feed.locked() as model:
                (row,) = model.rows(feed.now())
            assert (row.shard, row.status, row.role) == ("mine", "up", "master")
            assert row.version
            server.kill()
            until(feed, lambda model, now: model.rows(now)[0].status == "down")
            until(feed, lambda model, _: kinds(model) == ["down"])
            server.start()


def test_a_client_without_rights_gets_the_reason(keyring: Keyring, server: RealServer) -> None:
    keyring.authorize("cron")
    rights = '[clients.admin]\n[clients.cron]\noperations = ["stats"]\n'
    with (
        keyring.daemon([("s", server.url)], rights) as daemon,
        Feed(daemon.query, keys=keyring.of("cron")) as feed,
    ):
        until(feed, lambda model, now: "get_infos" in model.feed(now).problem)
        with feed.locked() as model:
            assert not model.feed(feed.now()).fresh


def test_a_warning_in_the_log_becomes_an_event(feed: Feed) -> None:
    with warnings_as_events(feed):
        logging.getLogger("zinfo.client").warning("%s went wrong", "something")
    with feed.locked() as model:
        (event,) = model.events(1)
    assert (event.type, event.shard, event.message) == ("fault", "", "something went wrong")


def test_nothing_is_requested_unless_the_model_is_looked_at(
    daemon: RunningDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[str] = []
    send = Client._send

    def counted(client: Client, op: str, args: dict[str, object], deadline: float) -> object:
        requests.append(op)
        return send(client, op, args, deadline)

    monkeypatch.setattr(Client, "_send", counted)
    monkeypatch.setattr("zinfo.top.feed.LOOK_SECONDS", 0.3)
    with Feed(daemon.query) as feed:
        wait_until(feed._thread.is_alive, TIMEOUT, "the thread")
        assert requests == []
        feed.wait_ready(TIMEOUT)
        assert requests
        wait_until(lambda: paused(feed), TIMEOUT, "the pause")
        before = len(requests)
        assert not feed._model.feed(feed.now()).fresh
        feed.add_event("note", "of this process")  # no look
        assert (len(requests), paused(feed)) == (before, True)
        until(feed, lambda model, now: model.feed(now).fresh)
        assert len(requests) > before


def paused(feed: Feed) -> bool:
    """Whether the feed requests nothing; this is no look."""
    with feed._lock:
        return feed._model._paused


def test_shards_that_are_added_removed_and_never_reply_are_in_the_table(
    server: RealServer,
) -> None:
    dead = f"redis://127.0.0.1:{free_port()}"
    tables = [f'[[shards]]\nid = "{n}"\nurl = "{server.url}"\n' for n in ("a", "b")]
    tables.append(f'[[shards]]\nid = "dead"\nurl = "{dead}"\nlabels = {{ site = "ams" }}\n')
    with (
        RunningDaemon(config_text=tables[0] + tables[2], environ=SOON) as daemon,
        Feed(daemon.query) as feed,
    ):

        def shown(*wanted: tuple[str, str]) -> None:
            until(
                feed,
                lambda model, now: (
                    [(one.shard, one.status) for one in model.rows(now)] == list(wanted)
                ),
            )

        shown(("a", "up"), ("dead", "down: refused"))
        with feed.locked() as model:
            down = model.row("dead", feed.now())
        assert down is not None
        assert (down.labels, down.memory, down.age) == ({"site": "ams"}, None, math.inf)
        daemon.config_path.write_text("".join(tables[1:]))
        daemon.signal(signal.SIGHUP)
        shown(("b", "up"), ("dead", "down: refused"))
        until(feed, lambda model, _: {"added", "removed"} <= set(kinds(model)))


@pytest.mark.parametrize(
    ("rights", "allowed"),
    [
        (None, {"hello", "get_infos", "events"}),
        ({"operations": None}, {"hello", "get_infos", "events"}),
        ({"operations": ["get_infos", "later"]}, {"get_infos"}),
    ],
)
def test_operations_are_those_of_the_daemon_and_of_the_clients_rights(
    rights: dict[str, object] | None, allowed: set[str]
) -> None:
    hello: dict[str, object] = {"ops": ["hello", "get_infos", "events"]}
    assert allowed_operations(hello if rights is None else {**hello, "rights": rights}) == allowed


def test_where_updates_fail_nothing_is_fresh_and_the_fault_is_an_event(
    feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("no luck")

    with warnings_as_events(feed):
        monkeypatch.setattr(feed, "_update", fail)
        until(feed, lambda model, now: model.feed(now).problem == NO_REPORT)
        with feed.locked() as model:
            assert [row.status for row in model.rows(feed.now())] == ["stale"]
            messages = [event.message for event in model.events(20)]
        assert "updating the shards failed: RuntimeError('no luck')" in messages
        monkeypatch.undo()
        until(feed, lambda model, now: model.feed(now).fresh)


def test_a_view_does_not_wait_for_a_daemon_that_does_not_answer(
    feed: Feed, daemon: RunningDaemon, server: RealServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, suspended, ended = (threading.Event() for _ in range(3))

    def fetch(client: Client, shard: str) -> dict[str, tuple[str, ...]]:
        begun.set()
        suspended.wait(TIMEOUT)
        try:
            return fetch_sections(client, shard)
        finally:
            ended.set()

    monkeypatch.setattr("zinfo.top.shard_feed.fetch_sections", fetch)
    locked: list[bool] = []

    def looked() -> bool:
        free = feed._lock.acquire(blocking=False)
        if free:
            feed._lock.release()
        locked.append(not free)
        return ended.is_set()

    def requested() -> bool:
        feed.follow_shard(server.ident)
        return begun.is_set()

    wait_until(requested, TIMEOUT, "the request")
    daemon.suspend()
    suspended.set()
    try:
        wait_until(looked, TIMEOUT, "the end of the request")
    finally:
        daemon.resume()
    assert len(locked) > 10
    assert sum(locked) < len(locked) / 2, "the model is not locked while the feed waits"
