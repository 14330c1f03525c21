"""An incident of real servers, recorded and replayed at ten times its speed."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.daemons import RunningDaemon
from tests.recording.replaying import SMALL_BLOCKS, Running
from tests.servers import RealServer, put_load
from tests.waiting import wait_until
from zinfo.client import Client, Delta, Event, Mirror
from zinfo.client.updates import Info
from zinfo.recording import LabelUpdate, Recording, Segment
from zinfo.top.feed import Feed

SPEED = 10
QUICK = {
    "ZINFO_POLL_MIN_INTERVAL": "0.1",
    "ZINFO_POLL_MAX_INTERVAL": "0.3",
}


@dataclass(slots=True)
class Incident:
    """A recording and its contents.

    Attributes:
        path: of the file.
        servers: ids of the two that were there all the time.
        late: id of the one that came later.
        events: in order.
        changes: deltas and events in order, as `said` returns them.
        states: state and INFO of each shard at its end.
    """

    path: Path
    servers: tuple[str, str]
    late: str
    events: list[Event] = field(default_factory=list)
    changes: list[tuple[str, str, int]] = field(default_factory=list)
    infos: dict[str, Info] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)


def said(change: Delta | Event) -> tuple[str, str, int]:
    """Shard, type, and revision or number of a change."""
    if isinstance(change, Delta):
        return change.shard, "delta", change.revision
    return change.shard, change.type, change.number


def shards_text(*servers: RealServer) -> str:
    labels = '\nlabels = { site = "fra" }\n'
    return "".join(f'[[shards]]\nurl = "{server.url}"{labels}' for server in servers)


def happen(daemon: RunningDaemon, first: RealServer, second: RealServer, late: RealServer) -> None:
    """Kill and restart a server; reload with a third one, then without the second."""
    with Client(daemon.query) as client:

        def seen(type_: str, shard: str) -> None:
            wait_until(
                lambda: any(
                    event.type == type_
                    for event in client.events(
                        shard_ids=[shard] if type_ != "removed" else []
                    ).events
                    if event.shard == shard
                ),
                60.0,
                f"{type_} of {shard}",
            )

        def revision(server: RealServer) -> int:
            return int(client.snapshot([server.ident])[0]["revision"])

        begun = revision(first)
        # A client of the replay has this time, divided by the speed, to join.
        wait_until(lambda: revision(first) > begun + 5, 60.0, "some calm polls")
        put_load(second.client(), 50)
        first.kill()
        seen("down", first.ident)
        first.start()
        seen("restarted", first.ident)
        daemon.config_path.write_text(shards_text(first, second, late))
        daemon.signal(signal.SIGHUP)
        seen("added", late.ident)
        wait_until(lambda: revision(late) > 2, 60.0, "three polls")
        daemon.config_path.write_text(shards_text(first, late))
        daemon.signal(signal.SIGHUP)
        seen("removed", second.ident)


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Incident:
    path = tmp_path_factory.mktemp("incident") / "a.zrec"
    with RealServer() as first, RealServer() as second, RealServer() as late:
        text = shards_text(first, second)
        with RunningDaemon(config_text=text, environ=QUICK) as daemon:
            daemon.wait_polled(2)
            with Running("record", path, daemon=daemon, before=SMALL_BLOCKS) as recording:
                wait_until(path.exists, 60.0, "the file")
                wait_until(lambda: subscribed(daemon), 60.0, "the recorder")
                happen(daemon, first, second, late)
                wait_until(lambda: recorded(path, "removed"), 60.0, "the last event in the file")
                assert recording.interrupt() == 0, recording.errors
                (report,) = recording.said
        found = Incident(path, (first.ident, second.ident), late.ident)
    read(found)
    assert report["ended"] == "stopped"
    assert report["gaps"] == report["stales"] == report["restarts"] == 0
    assert report["events"] == len(found.events)
    assert report["size"] == path.stat().st_size
    return found


def subscribed(daemon: RunningDaemon) -> bool:
    body = daemon.ask("stats").body
    assert isinstance(body, dict)
    topics, requests = body["bus"]["topics"], body["query"]["requests"]
    return bool(topics >= 3 and requests.get("snapshot", 0) >= 1)


def recorded(path: Path, type_: str) -> bool:
    """Whether the file already has an event of this type."""
    with Recording(path) as recording:
        updates = [moment.update for moment in recording]
    return any(isinstance(update, Event) and update.type == type_ for update in updates)


def read(incident: Incident) -> None:
    """Read the file, to know what a replay has to publish."""
    with Recording(incident.path) as recording:
        for moment in recording:
            update = moment.update
            if isinstance(update, Segment):
                incident.infos = {one.shard: one.info or {} for one in update.entries}
                incident.states = {one.shard: one.state for one in update.entries}
            elif isinstance(update, Delta):
                before = incident.infos.get(update.shard, {})
                incident.infos[update.shard] = update.applied_to(before)
                incident.changes.append(said(update))
            elif isinstance(update, Event):
                incident.events.append(update)
                incident.changes.append(said(update))
                if update.type == "removed":
                    del incident.infos[update.shard], incident.states[update.shard]
                elif update.type in {"added", "up", "down", "loading", "busy"}:
                    incident.states[update.shard] = str(update.new)


def test_the_recording_has_the_incident(incident: Incident) -> None:
    first, second = incident.servers
    received = [(event.shard, event.type) for event in incident.events]
    for shard, type_ in (
        (first, "down"),
        (first, "up"),
        (first, "restarted"),
        (incident.late, "added"),
        (incident.late, "up"),
        (second, "removed"),
    ):
        assert (shard, type_) in received, received
    numbers = [event.number for event in incident.events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    with Recording(incident.path) as recording:
        described = [one.update for one in recording if isinstance(one.update, LabelUpdate)]
    assert [entry.shard for one in described for entry in one.entries] == [incident.late]


def test_a_mirror_receives_all_changes_in_order(incident: Incident) -> None:
    changes: list[Delta | Event] = []
    # A mirror that joins late, on a busy machine, misses some of the calm polls before them.
    expected = incident.changes[incident.changes.index(said(incident.events[0])) :]
    known = set(incident.changes)

    def changed(_shard: str, change: Delta | Event) -> None:
        if isinstance(change, Event) and change.number == 0:
            return  # inferred from the first snapshot
        changes.append(change)

    with Running("replay", incident.path, f"--speed={SPEED}", "--wait") as replay:
        query = replay.wait_reported("ready")["query"]
        with Mirror(query, on_change=changed) as mirror:
            replay.wait_reported("end")
            wait_until(
                lambda: set(expected) <= {said(change) for change in changes},
                60.0,
                f"all {len(expected)}",
            )
            mirror.wait_ready(60)
            assert dict(mirror) == incident.infos
            assert {shard: mirror.state(shard)[0] for shard in mirror} == incident.states
            assert {mirror.labels(shard)["site"] for shard in mirror} == {"fra"}
            counters = mirror.counters
        # A shard's first snapshot is reported as a change, too.
        received = [said(change) for change in changes if said(change) in known]
        assert received[-len(expected) :] == expected
        places = [incident.changes.index(change) for change in received]
        assert places == sorted(places)
        replayed = [change for change in changes if isinstance(change, Event)]
        assert replayed == incident.events
        assert counters["gaps"] == counters["malformed"] == 0
        assert counters["joins"] == 1


def test_the_model_of_the_live_view_receives_all_events(incident: Incident) -> None:
    with Running("replay", incident.path, f"--speed={SPEED}", "--wait") as replay:
        query = replay.wait_reported("ready")["query"]
        with Feed(query) as feed:
            feed.wait_ready(60)
            replay.wait_reported("end")
            newest = incident.events[-1].number

            def received() -> bool:
                with feed.locked() as model:
                    events = [event for event in model.events(1000) if event.number]
                    return bool(events) and events[-1].number >= newest

            wait_until(received, 60.0, "the last event")
            feed.wait_ready(60)
            with feed.locked() as model:
                events = [event for event in model.events(1000) if event.number]
                rows = {row.shard: row for row in model.rows(feed.now())}
    assert events == incident.events
    assert {shard: row.status for shard, row in rows.items()} == incident.states
    for shard, row in rows.items():
        assert row.role == incident.infos[shard]["role"]
        assert row.labels == {"site": "fra"}


def test_queries_are_answered_with_the_state_at_the_chosen_time(incident: Incident) -> None:
    first, second = incident.servers
    down = next(event for event in incident.events if event.type == "down")
    with Recording(incident.path) as recording:
        at = next(one.at for one in recording if one.update == down)
    arguments = (f"--from={at + 0.001}", f"--to={at + 0.01}")
    with Running("replay", incident.path, *arguments) as replay:
        query = replay.wait_reported("ready")["query"]
        with Client(query) as client:
            states = {shard["id"]: shard["state"] for shard in client.shards()}
            assert states == {first: "down", second: "up"}
            assert client.events().events[-1] == down
            (info,) = client.get_infos([first], keys=["role"])
            assert info["role"] == "master"
            assert abs(client.ping() - down.time) < 60  # the time is that of the recording
            assert client.stats()["events"] == down.number
            assert client.snapshot([first])[0]["seq"] == down.seq
            assert client.hello()["epoch"] > 0


def test_two_replays_have_different_epochs(incident: Incident) -> None:
    epochs = set()
    for _ in range(2):
        with Running("replay", incident.path, "--speed=max") as replay:
            query = replay.wait_reported("ready")["query"]
            replay.wait_reported("end")
            with Client(query) as client:
                epochs.add(client.hello()["epoch"])
                infos = {info["meta"]["shard_identifier"]: info for info in client.get_infos()}
                assert infos.keys() == incident.infos.keys()
    with Recording(incident.path) as recording:
        segment = next(iter(recording)).update
    assert isinstance(segment, Segment)
    assert len(epochs | {segment.epoch}) == 3


def test_each_loop_of_a_replay_is_a_restart_to_its_subscribers(
    incident: Incident,
) -> None:
    epochs: set[int | None] = set()
    with Running("replay", incident.path, "--speed=max", "--loop", "--wait") as replay:
        query = replay.wait_reported("ready")["query"]
        with Mirror(query) as mirror:

            def look() -> bool:
                epochs.add(mirror.epoch)
                return len(epochs - {None}) >= 2

            wait_until(look, 60.0, "a second pass")
            mirror.wait_ready(60)
            assert dict(mirror).keys() <= set(incident.infos) | set(incident.servers)
