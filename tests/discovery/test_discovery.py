"""Several sources and a list of shards keep one registry up to date."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import gevent
import gevent.event
import pytest

from tests.discovery.scripted_source import URL, ScriptedSource, answer, spec
from tests.waiting import wait_until
from zinfo.discovery import answer_storage, source_reader
from zinfo.discovery.answer_builder import MAX_TARGETS
from zinfo.discovery.credentials import CredentialSet, NamedCredentials
from zinfo.discovery.discovery import Discovery
from zinfo.discovery.guard import Guard
from zinfo.discovery.host_patterns import HostPatterns
from zinfo.discovery.source_entry import SourceEntry
from zinfo.discovery.stored_answers import StoredAnswers
from zinfo.discovery.target import Answer, Target
from zinfo.errors import SourceError
from zinfo.shards.events import EventLog
from zinfo.shards.registry import ShardEvent, ShardPublisher
from zinfo.shards.shard import RedisShard, ShardState
from zinfo.shards.source_status import FAILED, OK, WAITING, SourceStatus

AT_ONCE = Guard(misses=1, hold=0.0, max_removed=1.0)
OTHER = "redis://127.0.0.1:2"


class Daemon:
    """A registry, and what its subscribers are notified of."""

    def __init__(self) -> None:
        self.publisher = ShardPublisher()
        self.events = EventLog()
        self.faults: list[str] = []
        self.seen: list[str] = []
        self.publisher.subscribe_faults(lambda part, _error: self.faults.append(part))
        for kind in ShardEvent:
            self.publisher.subscribe_shard_event(kind, partial(self._see, kind))

    def _see(self, kind: ShardEvent, shard: RedisShard) -> None:
        self.seen.append(f"{kind.value} {shard.id}")

    def discovery(self, *sources: ScriptedSource, guard: Guard = AT_ONCE) -> Discovery:
        return Discovery(self.publisher, entries(*sources, guard=guard), events=self.events)

    @property
    def live(self) -> set[str]:
        return self.publisher.get_live_shard_ids()

    def labels(self, ident: str) -> dict[str, str]:
        return self.publisher.get_shard(ident).labels

    def set_states(self, state: ShardState) -> None:
        for shard in self.publisher.get_live_shards():
            shard.state = state

    def event_types(self) -> list[str]:
        return [event.type for event in self.events.since()]

    def wait_live(self, *ids: str) -> None:
        wait_until(lambda: self.live == set(ids), what=f"{ids} live", sleep=gevent.sleep)


def entries(*sources: ScriptedSource, guard: Guard = AT_ONCE) -> list[SourceEntry]:
    return [SourceEntry(source, guard, settings=source.name) for source in sources]


def status_of(discovery: Discovery, name: str) -> SourceStatus:
    return next(one for one in discovery.source_statuses() if one.name == name)


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    daemon = Daemon()
    yield daemon
    assert daemon.live == set()
    assert daemon.publisher.callback_errors == 0


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a failing source again soon."""
    monkeypatch.setattr(source_reader, "MAX_BACKOFF", 0.05)


def test_the_shards_of_all_sources_and_of_the_list_are_live(daemon: Daemon) -> None:
    sources = [ScriptedSource("one", "a"), ScriptedSource("two", "b")]
    discovery = Discovery(daemon.publisher, entries(*sources), shards=[spec("c")])
    assert list(discovery.waiting_sources()) == ["one", "two"]
    assert [one.state for one in discovery.source_statuses()] == [WAITING] * 2
    with discovery:
        assert daemon.live == {"c"}  # at once
        daemon.wait_live("a", "b", "c")
        sources[0].answers("a", "d", site="fra")
        daemon.wait_live("a", "b", "c", "d")
        assert daemon.labels("a") == {"site": "fra"}
        assert list(discovery.waiting_sources()) == []
        assert [one.name for one in discovery.source_statuses()] == ["static", "one", "two"]
    assert "removed a" in daemon.seen


def test_labels_and_credentials_change_in_place(daemon: Daemon) -> None:
    source = ScriptedSource("one", "a")
    with daemon.discovery(source):
        daemon.wait_live("a")
        shard = daemon.publisher.get_shard("a")
        source.answers("a", site="fra")
        source.answers("a", url=OTHER)
        assert daemon.publisher.get_shard("a") is not shard
    assert daemon.seen == ["added a", "labels_changed a", "removed a", "added a", "removed a"]


def test_a_failed_read_changes_nothing_and_is_logged_and_published_once(
    daemon: Daemon, caplog: pytest.LogCaptureFixture
) -> None:
    failing, other = ScriptedSource("one", "a"), ScriptedSource("two", "b")
    with daemon.discovery(failing, other) as discovery:
        daemon.wait_live("a", "b")
        failing.fails("10.0.0.1: refused\x1b[31m\nsecond line")
        failing.wait(3)
        other.answers("b", "c")
        assert daemon.live == {"a", "b", "c"}
        status = status_of(discovery, "one")
        assert (status.state, status.shards) == (FAILED, 1)
        assert status.failures >= 3
        assert status.error == "10.0.0.1: refused\\x1b[31m second line"
        assert status_of(discovery, "two").state == OK
        failing.answers("a")
        wait_until(lambda: status_of(discovery, "one").state == OK, sleep=gevent.sleep)
        assert status_of(discovery, "one").error == ""
    assert daemon.event_types() == ["source_failed", "source_recovered"]
    assert [event.reason for event in daemon.events.since()] == ["one", "one"]
    assert sum("cannot be read" in record.message for record in caplog.records) == 1
    assert daemon.faults == []


def test_a_source_that_does_not_back_off_is_read_as_often_while_it_fails(daemon: Daemon) -> None:
    class Steady(ScriptedSource):
        backs_off = False

    source = Steady("one", "a", interval=0.001)
    with Discovery(daemon.publisher, entries(source)):
        source.then = SourceError("refused")
        source.wait(30)  # with a backoff the last of them would wait for a minute


def test_a_source_that_crashes_is_a_fault_and_does_not_affect_others(daemon: Daemon) -> None:
    crashing, other = ScriptedSource("one", "a"), ScriptedSource("two", "b")
    with daemon.discovery(crashing, other) as discovery:
        daemon.wait_live("a", "b")
        crashing.then = ZeroDivisionError("secret")
        wait_until(lambda: daemon.faults, what="the fault", sleep=gevent.sleep)
        other.answers("b", "c")
        assert daemon.live == {"a", "b", "c"}
        assert status_of(discovery, "one").state == FAILED
        assert "secret" not in status_of(discovery, "one").error
        crashing.answers("a", "d")
        daemon.wait_live("a", "b", "c", "d")
    assert set(daemon.faults) == {"source one"}


def test_an_answer_with_too_many_targets_is_refused_as_a_whole(daemon: Daemon) -> None:
    source = ScriptedSource("one", "a")
    with daemon.discovery(source) as discovery:
        daemon.wait_live("a")
        source.then = Answer(dict.fromkeys(map(str, range(MAX_TARGETS + 1)), Target(URL, {})))
        source.wait()
        assert daemon.live == {"a"}
        assert status_of(discovery, "one").error == "it lists more than 200000 shards"


def test_an_answer_that_forgets_servers_that_reply_is_held_until_it_is_accepted(
    daemon: Daemon,
) -> None:
    source = ScriptedSource("one", "a", "b", "c")
    with daemon.discovery(source, guard=Guard(misses=2, hold=0.0)) as discovery:
        daemon.wait_live("a", "b", "c")
        daemon.set_states(ShardState.UP)
        source.answers("a")
        source.wait(3)
        assert daemon.live == {"a", "b", "c"}
        status = status_of(discovery, "one")
        assert (status.shards, status.missing, status.held, status.state) == (3, 2, 2, OK)
        (event,) = daemon.events.since()
        assert (event.type, event.reason, event.shard) == ("source_held", "one", "")
        assert event.message.startswith("2 of 3 shards that reply are missing from its answer")
        assert "`zinfo sources accept one`" in event.message
        assert discovery.accept_source("one") == 2
        daemon.wait_live("a")
        assert discovery.accept_source("one") == 0
        with pytest.raises(KeyError):
            discovery.accept_source("two")
        assert status_of(discovery, "one").removed == 2


def test_a_shard_that_goes_down_after_the_last_read_is_removed_between_two_reads(
    daemon: Daemon,
) -> None:
    source = ScriptedSource("one", "a", "b", "c")
    with daemon.discovery(source, guard=Guard(misses=1, hold=9999.0)):
        daemon.wait_live("a", "b", "c")
        daemon.set_states(ShardState.UP)
        source.answers("a", "b")
        source.then = partial(gevent.sleep, 3600)  # a read that does not end
        daemon.publisher.get_shard("c").state = ShardState.DOWN
        daemon.wait_live("a", "b")


def test_an_incomplete_answer_removes_nothing_nor_does_an_unchanged_one_after_it(
    daemon: Daemon,
) -> None:
    source = ScriptedSource("one", "a", "b")
    with daemon.discovery(source, guard=Guard(misses=1000, hold=0.0)) as discovery:
        daemon.wait_live("a", "b")
        source.answers("b")
        source.then = Answer(answer("c").targets, incomplete=True)
        source.wait()
        absence = discovery._sources["one"].membership._missing["a"]
        before = absence.misses
        source.then = None
        source.wait(3)
        assert daemon.live == {"a", "b", "c"}
        assert (absence.misses, status_of(discovery, "one").missing) == (before, 1)
        source.answers("b")
        assert status_of(discovery, "one").missing == 2


def test_the_first_source_owns_a_shard_and_the_next_takes_over_in_place(daemon: Daemon) -> None:
    one, two = ScriptedSource("one"), ScriptedSource("two")
    with daemon.discovery(one, two) as discovery:
        two.answers("a", of="two")
        assert daemon.labels("a") == {"of": "two"}
        one.answers("a", of="one")
        assert daemon.labels("a") == {"of": "one"}
        assert [status_of(discovery, name).owned for name in ("one", "two")] == [1, 0]
        two.answers("a", of="two again")
        assert daemon.labels("a") == {"of": "one"}
        one.answers()
        assert daemon.labels("a") == {"of": "two again"}
        assert [status_of(discovery, name).owned for name in ("one", "two")] == [0, 1]
        discovery.configure(entries(one, two), shards=[spec("a", of="list")])
        assert daemon.labels("a") == {"of": "list"}
    assert daemon.seen == ["added a", *["labels_changed a"] * 3, "removed a"]


def test_another_order_of_the_sources_makes_another_owner(daemon: Daemon) -> None:
    one, two = ScriptedSource("one"), ScriptedSource("two")
    with daemon.discovery(one, two) as discovery:
        one.answers("a", of="one")
        two.answers("a", of="two")
        discovery.configure(entries(two, one))
        assert daemon.labels("a") == {"of": "two"}
        assert not one.closed
        assert [status.name for status in discovery.source_statuses()] == ["two", "one"]


def test_a_source_with_the_same_settings_goes_on(daemon: Daemon) -> None:
    running, same = ScriptedSource("one", "a"), ScriptedSource("one", "b")
    with daemon.discovery(running) as discovery:
        daemon.wait_live("a")
        discovery.configure(entries(same, guard=Guard(misses=7)))
        running.answers("a", "c")
        assert daemon.live == {"a", "c"}
        assert same.closed
        assert same.reads == 0
        running.answers("c")
        assert daemon.live == {"a", "c"}  # the new guard applies


def test_a_changed_source_is_judged_by_the_guard(daemon: Daemon) -> None:
    before, after = ScriptedSource("one", "a", "b", "c"), ScriptedSource("one", "a", "d")
    with daemon.discovery(before) as discovery:
        daemon.wait_live("a", "b", "c")
        daemon.set_states(ShardState.UP)
        discovery.configure([SourceEntry(after, Guard(), "changed")])
        daemon.wait_live("a", "b", "c", "d")
        reads = before.reads
        after.wait()
        assert daemon.live == {"a", "b", "c", "d"}
        assert before.closed
        assert before.reads == reads
        assert status_of(discovery, "one").missing == 2


def test_the_shards_of_a_source_that_is_gone_are_removed_or_pass_to_the_next(
    daemon: Daemon,
) -> None:
    one, two = ScriptedSource("one", "a", "b"), ScriptedSource("two", "b")
    with daemon.discovery(one, two) as discovery:
        daemon.wait_live("a", "b")
        two.wait()
        discovery.configure(entries(two))
        assert daemon.live == {"b"}
        assert one.closed
        assert [status.name for status in discovery.source_statuses()] == ["two"]
    assert daemon.seen.count("added b") == 1


def test_a_shard_that_moves_from_a_source_to_the_list_stays_live(daemon: Daemon) -> None:
    with daemon.discovery(ScriptedSource("one", "a")) as discovery:
        daemon.wait_live("a")
        discovery.configure([], shards=[spec("a")])
    assert daemon.seen == ["added a", "removed a"]


def test_the_list_is_followed_at_once_and_restores_what_other_code_removed(daemon: Daemon) -> None:
    with daemon.discovery() as discovery:
        discovery.configure([], shards=[spec("a"), spec("b")])
        assert daemon.live == {"a", "b"}
        daemon.set_states(ShardState.UP)
        daemon.publisher.del_shard("b")
        discovery.configure([], shards=iter([spec("b")]))
        assert daemon.live == {"b"}


CREDENTIALS = CredentialSet(
    {"orders": NamedCredentials(HostPatterns(["127.0.0.1"]), {"username": "zinfo"})}
)
NARROWER = CredentialSet(
    {"orders": NamedCredentials(HostPatterns(["10.*"]), {"username": "zinfo"})}
)


def test_credentials_are_sent_only_to_their_hosts_and_change_in_place(daemon: Daemon) -> None:
    source = ScriptedSource("one")
    source.then = answer("a", credentials="orders")
    with daemon.discovery(source) as discovery:
        source.wait()
        assert daemon.live == set()
        assert status_of(discovery, "one").skipped == {"there are no credentials named orders": 1}
        discovery.configure(entries(source), credentials=CREDENTIALS)
        assert daemon.live == {"a"}
        shard = daemon.publisher.get_shard("a")
        assert shard.redis_conn.username == "zinfo"
        assert status_of(discovery, "one").skipped == {}
        other = {"username": "other", "timeout": 3.0}
        table = NamedCredentials(HostPatterns(["*"]), other)
        discovery.configure(entries(source), credentials=CredentialSet({"orders": table}))
        assert daemon.publisher.get_shard("a") is shard
        assert shard.redis_conn.username == "other"
        discovery.configure(entries(source), credentials=NARROWER)
        assert daemon.live == set()
        (reason,) = status_of(discovery, "one").skipped
        assert reason == "the credentials orders may not be sent to 127.0.0.1"
    assert [one for one in daemon.seen if "connection" not in one] == ["added a", "removed a"]


def test_an_answer_that_was_not_followed_to_its_end_is_followed_later(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = ScriptedSource("one")
    with daemon.discovery(source) as discovery:
        source.wait()
        settle = discovery.settle

        def fails(shard_id: str, *, again: bool = False) -> None:
            monkeypatch.setattr(discovery, "settle", settle)
            raise ZeroDivisionError

        monkeypatch.setattr(discovery, "settle", fails)
        answers = iter([answer("a", "b")])
        source.then = lambda: next(answers, None)
        wait_until(lambda: "b" in daemon.live, what="the rest of the answer", sleep=gevent.sleep)
        assert daemon.faults == ["source one"]
        source.answers("a", "b", n="2")
        daemon.wait_live("a", "b")


def test_a_discovery_that_is_stopped_while_it_applies_an_answer_adds_no_more(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    discovery = Discovery(daemon.publisher, shards=[spec(f"s{n}") for n in range(50)])
    calls = iter(range(1000))

    def interrupt() -> None:
        if next(calls) == 20:
            discovery.stop()

    monkeypatch.setattr(discovery, "pause", interrupt)
    discovery._static.membership._pause = interrupt
    discovery.start()
    assert daemon.live == set()
    assert 0 < sum(one.startswith("added") for one in daemon.seen) < 50


def test_a_configuration_that_waits_for_its_turn_when_all_stops_adds_nothing(
    daemon: Daemon,
) -> None:
    discovery = daemon.discovery()
    discovery.start()
    with discovery.turn():
        waiting = gevent.spawn(discovery.configure, [], shards=[spec("a")])
        gevent.sleep(0)
        discovery.stop()
    waiting.get()
    assert daemon.live == set()


def test_a_shard_of_another_watcher_stays_until_it_is_removed(daemon: Daemon) -> None:
    foreign = RedisShard("a", URL)
    daemon.publisher.add_shard(foreign)
    source = ScriptedSource("one", "a")
    with daemon.discovery(source):
        source.wait()
        assert daemon.publisher.get_shard("a") is foreign
        daemon.publisher.del_shard("a")
        assert daemon.live == {"a"}


def test_it_can_be_started_again(daemon: Daemon) -> None:
    source = ScriptedSource("one", "a")
    discovery = Discovery(daemon.publisher, entries(source), shards=[spec("b")])
    for _ in range(2):
        with discovery:
            daemon.wait_live("a", "b")
        assert daemon.live == set()


def stored_in(path: Path, daemon: Daemon, *sources: ScriptedSource) -> Discovery:
    return Discovery(
        daemon.publisher, entries(*sources, guard=Guard()), stored=StoredAnswers(path / "state")
    )


def test_after_a_restart_the_stored_answer_stands_in_for_a_source_that_is_away(
    daemon: Daemon, tmp_path: Path
) -> None:
    source = ScriptedSource("one")
    source.then = answer("a", "b", site="fra")
    with stored_in(tmp_path, daemon, source):
        daemon.wait_live("a", "b")
        source.wait()
    away = ScriptedSource("one")
    away.then = SourceError("refused")
    with stored_in(tmp_path, daemon, away) as discovery:
        daemon.wait_live("a", "b")
        assert daemon.labels("a") == {"site": "fra"}
        away.wait()
        assert away.remembered == answer("a", "b", site="fra").targets
        assert status_of(discovery, "one").state == FAILED
        assert list(discovery.waiting_sources()) == []
        away.answers("a")
        away.wait(3)
        assert daemon.live == {"a", "b"}  # judged by the guard: nothing was polled yet
        assert status_of(discovery, "one").missing == 1


def test_a_source_with_a_stored_answer_is_waiting_until_it_was_read(
    daemon: Daemon, tmp_path: Path
) -> None:
    source = ScriptedSource("one", "a")
    with stored_in(tmp_path, daemon, source):
        source.wait()
    slow, may_answer = ScriptedSource("one"), gevent.event.Event()

    def wait_and_answer() -> Answer:
        may_answer.wait()
        return answer("a")

    slow.then = wait_and_answer
    with stored_in(tmp_path, daemon, slow) as discovery:
        daemon.wait_live("a")
        found = status_of(discovery, "one")
        assert (found.state, found.shards, found.last_success) == (WAITING, 1, None)
        assert list(discovery.waiting_sources()) == []
        may_answer.set()
        slow.wait()
        assert status_of(discovery, "one").state == OK


def test_answers_are_stored_while_the_daemon_runs_and_deleted_with_their_source(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer_storage, "STORE_INTERVAL", 0.0)
    monkeypatch.setattr(answer_storage, "CHECK_INTERVAL", 0.01)
    source = ScriptedSource("one")

    def stored() -> set[str]:
        stored = StoredAnswers(tmp_path / "state").load("one", lambda: None)
        return {"nothing"} if stored is None else set(stored.targets)

    def wait_stored(*ids: str) -> None:
        wait_until(lambda: stored() == set(ids), what=f"{ids} stored", sleep=gevent.sleep)

    with stored_in(tmp_path, daemon, source) as discovery:
        wait_until(lambda: list(tmp_path.glob("state/one*")), what="a file", sleep=gevent.sleep)
        source.answers("a")
        wait_stored("a")
        written = (tmp_path / "state" / "one.answer").stat().st_mtime_ns
        source.answers("a")
        source.wait(5)
        assert (tmp_path / "state" / "one.answer").stat().st_mtime_ns == written
        source.answers("b")
        wait_stored("a", "b")  # one that is missing is stored, too
        discovery.configure([])
        assert list((tmp_path / "state").iterdir()) == []


def test_answers_that_cannot_be_stored_are_a_note_of_their_source(
    daemon: Daemon, tmp_path: Path
) -> None:
    (tmp_path / "state").write_bytes(b"")
    source = ScriptedSource("one", "a")
    with stored_in(tmp_path, daemon, source) as discovery:
        daemon.wait_live("a")
        wait_until(lambda: status_of(discovery, "one").notes, what="a note", sleep=gevent.sleep)
        assert status_of(discovery, "one").notes == ("it cannot be stored: Not a directory",)
