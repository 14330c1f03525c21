"""Changed labels reach every Mirror, whichever messages are lost."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.daemons import RunningDaemon
from tests.faults.proxy import LossyBus
from tests.promises import Promise
from tests.servers import RealServer
from tests.waiting import wait_until
from zinfo.client import Client, Delta, Event, Mirror
from zinfo.shards.events import MAX_LABELS_SIZE
from zinfo.wire.bus_messages import KIND_EVENT, topic

BEATS = "[bus]\nheartbeat = 2\n"
"""Three of them are more than a busy machine delays a message, so that the Mirror stays fresh."""
FIRST = {"turn": "0"}
LONG = {f"name-{number}": "x" * 1000 for number in range(5)}


class Following:
    """A daemon with one shard, and a Mirror behind a bus that drops selected messages.

    Args:
        server: the shard's.
        stack: closes all.
    """

    def __init__(self, server: RealServer, stack: ExitStack) -> None:
        self.shard = server.ident
        self._url = server.url
        self.events: list[Event] = []
        self.daemon = stack.enter_context(RunningDaemon(config_text=self._config(FIRST)))
        self.bus = stack.enter_context(LossyBus(self.daemon.bus))
        self.client = stack.enter_context(Client(self.daemon.query))
        self.mirror = stack.enter_context(
            Mirror(self.daemon.query, bus=self.bus.endpoint, on_change=self._tell)
        )
        wait_until(lambda: self.has(FIRST), what="a fresh mirror")

    def relabel(self, labels: dict[str, str]) -> None:
        """Change the labels of the shard with a SIGHUP."""
        self.daemon.config_path.write_text(self._config(labels))
        self.daemon.signal(signal.SIGHUP)
        wait_until(
            lambda: self.client.shards()[0]["labels"] == labels, what="the labels at the daemon"
        )

    def has(self, labels: dict[str, str]) -> bool:
        """Return whether the Mirror is fresh and has these labels."""
        mirror = self.mirror
        return not mirror.stale and len(mirror) == 1 and mirror.labels(self.shard) == labels

    def _config(self, labels: dict[str, str]) -> str:
        pairs = ", ".join(f'{name} = "{text}"' for name, text in labels.items())
        return f'{BEATS}[[shards]]\nurl = "{self._url}"\nlabels = {{ {pairs} }}\n'

    def _tell(self, _shard: str, change: Delta | Event) -> None:
        if isinstance(change, Event) and change.type == "labels_changed":
            self.events.append(change)


@pytest.fixture(scope="module")
def shared() -> Iterator[Following]:
    with RealServer() as server, ExitStack() as stack:
        yield Following(server, stack)


@pytest.fixture
def one(shared: Following) -> Following:
    """A fresh Mirror, whose events of earlier tests are forgotten."""
    if not shared.has(FIRST):
        shared.relabel(FIRST)
        wait_until(lambda: shared.has(FIRST), what="the first labels")
        wait_until(lambda: shared.events and shared.events[-1].labels == FIRST, what="their event")
    shared.events.clear()
    return shared


def test_labels_that_a_reload_changes_reach_a_mirror(one: Following, promise: Promise) -> None:
    snapshots = one.mirror.counters["resyncs"]
    begun = time.monotonic()
    one.relabel({"turn": "1", "site": "fra"})
    wait_until(lambda: one.has({"turn": "1", "site": "fra"}), what="the labels in the mirror")
    wait_until(lambda: one.events, what="their event")  # the callback is called a moment later
    took = time.monotonic() - begun
    events = one.client.events(shard_ids=[one.shard]).events
    promise(
        "a reload changes labels",
        "a fresh Mirror has them, without another snapshot",
        f"they were there after {took:.2f} s, "
        f"{one.mirror.counters['resyncs'] - snapshots} snapshots",
    )
    assert one.mirror.counters["resyncs"] == snapshots
    assert [event.labels for event in one.events] == [{"turn": "1", "site": "fra"}]
    assert (events[0].type, events[0].labels) == ("added", FIRST)
    assert (events[-1].type, events[-1].message) == ("labels_changed", "turn=1, site=fra")
    assert events[-1] == one.events[0]


def test_a_mirror_of_some_labels_gains_and_loses_a_shard_by_a_reload(
    one: Following, promise: Promise
) -> None:
    with Mirror(one.daemon.query, labels={"site": "fra"}) as mirror:
        mirror.wait_ready(60)
        assert not mirror
        one.relabel({"site": "fra"})
        wait_until(lambda: not mirror.stale and len(mirror) == 1, what="the shard to enter")
        assert mirror.labels(one.shard) == {"site": "fra"}
        state, info = mirror.state(one.shard), mirror[one.shard]
        one.relabel({"site": "lon"})
        wait_until(lambda: not mirror, what="the shard to leave")
    promise(
        "a reload gives a shard the label of a Mirror, and takes it away",
        "it enters with its INFO, and leaves",
        f"{state}, {len(info)} fields",
    )
    assert state == ("up", "")
    assert len(info) > 100


def test_a_mirror_recovers_from_a_lost_labels_changed_event(
    one: Following, promise: Promise
) -> None:
    lost, gaps = one.bus.lost, one.mirror.counters["gaps"]
    one.bus.only, one.bus.drop = topic(KIND_EVENT), 1
    begun = time.monotonic()
    one.relabel({"turn": "2"})
    wait_until(lambda: one.has({"turn": "2"}), what="the labels in the mirror")
    wait_until(lambda: one.events, what="their event")
    took = time.monotonic() - begun
    promise(
        "the event labels_changed is lost",
        "noticed with the next heartbeat, and a fresh Mirror has the labels",
        f"{one.bus.lost - lost} lost, {one.mirror.counters['gaps'] - gaps} gaps; "
        f"whole after {took:.2f} s",
    )
    assert one.bus.lost == lost + 1
    assert one.mirror.counters["gaps"] > gaps
    assert [(event.number, event.labels) for event in one.events] == [(0, {"turn": "2"})]


def test_labels_too_large_for_an_event_reach_a_mirror_by_a_snapshot(
    one: Following, promise: Promise
) -> None:
    one.relabel(LONG)
    wait_until(lambda: one.has(LONG), what="the labels in the mirror")
    wait_until(lambda: len(one.events) == 2, what="the event and the labels")
    event = one.client.events(shard_ids=[one.shard]).events[-1]
    promise(
        f"labels of {sum(map(len, LONG.values()))} characters",
        f"an event holds at most {MAX_LABELS_SIZE} of them; a Mirror requests larger ones",
        f"labels {event.labels}, message of {len(event.message)}; the Mirror has them all",
    )
    assert event.type == "labels_changed"
    assert event.labels is None
    assert len(event.message) < 300
    assert [event.labels for event in one.events] == [None, LONG]
