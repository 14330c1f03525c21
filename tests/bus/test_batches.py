"""Batches of deltas: the same messages, in the same order, as without them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gevent
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.bus.in_process_bus import InProcessBus, Message, Subscriber, deltas
from tests.examples import examples
from tests.info_texts import TEXTS
from tests.waiting import wait_until
from zinfo.bus import flush_timer
from zinfo.bus.batches import MAX_BATCH_BYTES
from zinfo.native.loader import native
from zinfo.security.bus_rights import UNLIMITED, BusRights
from zinfo.wire.bus_messages import (
    BATCH_TOPIC,
    batched_head,
    fields_topic,
    header_start,
    pack_batched,
    pack_header,
    topic,
    unpack_batch,
)

EVENTS, BEATS, DELTAS = topic("event"), topic("hb"), topic("delta")
LIMITED = BusRights(shards=("a",), hidden_fields=("role", "used_*"))
NO_INFOS = BusRights(infos=False)
ONE_SHARD = BusRights(shards=("a",))
NAMES = ("role", "used_memory", "uptime_in_seconds", "db0", "instantaneous_ops_per_sec", "x")
FIELDS = fields_topic(NAMES)
REPLIES = [TEXTS[f"redis-7.0.15-{step}"] for step in ("idle", "primary-1", "primary-2")]


@pytest.fixture(scope="module")
def bus() -> Iterator[InProcessBus]:
    """A bus with three shards and four sockets."""
    with InProcessBus(("a:1", "a:2", "b:1"), (LIMITED, NO_INFOS, ONE_SHARD)) as bus:
        yield bus


@pytest.fixture(scope="module")
def slow_bus() -> Iterator[InProcessBus]:
    """The same; batches are sent only if they are full or something follows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flush_timer, "TICK", 1e9)
        with InProcessBus(("a:1", "a:2", "b:1"), (LIMITED,)) as bus:
            yield bus


def refused(subscriber: Subscriber) -> set[bytes]:
    """Return the topics that were refused to a subscriber."""
    assert subscriber.fence is not None
    return {topic.encode() for topic in subscriber.fence.body.get("refused", ())}


def poll_all(bus: InProcessBus, times: int) -> None:
    """Poll every shard some times."""
    for number in range(times):
        for shard in range(len(bus.shards)):
            bus.poll(shard, REPLIES[number % len(REPLIES)])


poll = st.tuples(st.just("poll"), st.integers(0, 2), st.sampled_from(REPLIES))
event = st.tuples(st.just("event"), st.integers(0, 2))
others = st.tuples(st.sampled_from(["beat", "switch", "joined"]))
join = st.tuples(st.just("join"), st.booleans(), st.sampled_from([DELTAS, BATCH_TOPIC, FIELDS]))
steps = st.lists(poll | poll | event | others | join, min_size=20, max_size=40)
JOINS_IN_A_TICK = [
    ("join", True, BATCH_TOPIC),
    ("joined",),
    ("poll", 0, REPLIES[0]),
    ("event", 1),
    ("poll", 1, REPLIES[0]),
    ("join", True, FIELDS),
    ("join", True, BATCH_TOPIC),
    ("joined",),
    ("poll", 0, REPLIES[1]),
    ("beat",),
    ("poll", 0, REPLIES[2]),
]


class Schedule:
    """Polls, events and subscribers that join among them.

    Args:
        bus: the bus.
    """

    def __init__(self, bus: InProcessBus) -> None:
        self._bus = bus
        #: For each set of rights a subscriber to all deltas from the start.
        self._references = [
            bus.subscriber(rights).join(EVENTS, BEATS, DELTAS) for rights in (UNLIMITED, LIMITED)
        ]
        self._free = [(at, bus.subscriber((UNLIMITED, LIMITED)[at])) for at in (0, 0, 0, 1, 1)]
        self._joining: list[tuple[int, Subscriber, bytes]] = []

    def close(self) -> None:
        """Close all subscribers."""
        for subscriber in self._references:
            subscriber.close()
        for _, subscriber in self._free:
            subscriber.close()
        for _, subscriber, _ in self._joining:
            subscriber.close()

    def run(self, steps: Sequence[Any]) -> None:
        """Carry out steps, each a name and arguments."""
        bus = self._bus
        actions: dict[str, Callable[..., object]] = {
            "poll": bus.poll,
            "event": bus.event,
            "beat": bus.beat,
            "switch": lambda: gevent.sleep(0),
            "join": self._join,
            "joined": self._joined,
        }
        for name, *arguments in steps:
            actions[name](*arguments)

    def check(self) -> None:
        """Compare what each subscriber has received since its fence."""
        self._joined()
        self._bus.beat()
        for subscriber in (*self._references, *(one for _, one, _ in self._joining)):
            subscriber.until_beat(self._bus.beats)
        for at, subscriber, messages_of in self._joining:
            expected = self._references[at].messages[-len(subscriber.messages) :]
            if messages_of == FIELDS:
                expected = list(map(_of_fields, expected))
            assert subscriber.messages == expected
            if at == 0:  # the totals count all shards
                _check_totals(subscriber)

    def _join(self, is_first: bool, messages_of: bytes) -> None:
        if self._free:
            at, subscriber = self._free.pop(0 if is_first else -1)
            subscriber.subscribe(EVENTS, BEATS, messages_of)
            self._joining.append((at, subscriber, messages_of))

    def _joined(self) -> None:
        for _, subscriber, _ in self._joining:
            subscriber.joined()


def _of_fields(message: Message) -> Message:
    """Return a delta with the fields of `FIELDS` only; other messages as they are."""
    if not message.topic.startswith(DELTAS):
        return message
    body = message.body
    changed = {name: value for name, value in body["set"].items() if name in NAMES}
    unset = [name for name in body["unset"] if name in NAMES]
    return message._replace(body={"set": changed, "unset": unset, "base": body["base"]})


def _check_totals(subscriber: Subscriber) -> None:
    assert subscriber.fence is not None
    since, now = subscriber.fence.body, subscriber.messages[-1].body
    assert len(deltas(subscriber.messages)) == now["revisions"] - since["revisions"]
    events = [one for one in subscriber.messages if one.topic.startswith(EVENTS)]
    assert len(events) == now["events"] - since["events"]


@settings(max_examples=examples(100))
@given(steps=steps, is_slow=st.booleans())
@example(steps=JOINS_IN_A_TICK, is_slow=True)
def test_a_subscriber_of_batches_sees_what_one_of_deltas_sees(
    bus: InProcessBus, slow_bus: InProcessBus, steps: list[Any], is_slow: bool
) -> None:
    with contextlib.closing(Schedule(slow_bus if is_slow else bus)) as schedule:
        schedule.run(steps)
        schedule.check()


def test_batches_are_numbered_and_bounded(slow_bus: InProcessBus) -> None:
    with slow_bus.subscriber() as subscriber:
        subscriber.join(BATCH_TOPIC, BEATS)
        poll_all(slow_bus, 40)
        slow_bus.beat()
        subscriber.until_beat(slow_bus.beats)
    seqs = [batch.header.seq for batch in subscriber.batches]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    numbers = [len(unpack_batch(batch.body)) for batch in subscriber.batches]
    assert 1 < len(seqs) < sum(numbers) == 120
    sizes = [len(batch.body) for batch in subscriber.batches]
    assert all(
        size <= MAX_BATCH_BYTES + 3 or number == 1  # three bytes are the header of the array
        for size, number in zip(sizes, numbers, strict=True)
    )


def test_a_delta_larger_than_a_batch_is_a_batch(slow_bus: InProcessBus) -> None:
    large = b"".join(b"field_%d:%d\r\n" % (number, number) for number in range(3000))
    with slow_bus.subscriber() as subscriber:
        subscriber.join(BATCH_TOPIC, BEATS)
        for raw in (REPLIES[0], REPLIES[1], large, REPLIES[0], REPLIES[1]):
            slow_bus.poll(0, raw)
        slow_bus.beat()
        subscriber.until_beat(slow_bus.beats)
    numbers = [len(unpack_batch(batch.body)) for batch in subscriber.batches]
    assert len(subscriber.batches[1].body) > MAX_BATCH_BYTES
    assert numbers[1] == 1
    assert sum(numbers) == 5


@pytest.mark.skipif(native is None, reason="compares the native part")
@settings(max_examples=examples(200))
@given(
    node=st.text(max_size=300),
    seq=st.integers(0, 2**64 - 1) | st.integers(0, 300),
    when=st.floats(allow_nan=False),
    body=st.binary() | st.integers(250, 70_000).map(bytes),
)
@example(node="n" * 240, seq=2**63 - 1, when=0.0, body=bytes(65_536))
def test_native_code_packs_a_delta_as_python_does(
    node: str, seq: int, when: float, body: bytes
) -> None:
    assert native is not None
    head, header = batched_head(topic("delta", node[:50])), pack_header(node, 7, seq, when)
    packed = native.pack_batched(head, header_start(node, 7), seq, when, body)
    if seq < 2**63:
        assert packed == pack_batched(head, header, body)
    else:
        assert packed is None


@pytest.mark.skipif(native is None, reason="compares the native part")
@pytest.mark.parametrize(
    "arguments",
    [
        (),
        (b"", b"", 1, 1.5),
        ("", b"", 1, 1.5, b""),
        (b"", b"", "1", 1.5, b""),
        (b"", b"", 1, 1, b""),
    ],
)
def test_native_code_refuses_to_pack_other_types(arguments: Any) -> None:
    packs: Any = native and native.pack_batched
    with pytest.raises(TypeError):
        packs(*arguments)


def test_a_delta_waits_for_no_further_one_at_a_quiet_time(bus: InProcessBus) -> None:
    with bus.subscriber() as subscriber:
        subscriber.join(BATCH_TOPIC)
        bus.poll(0, REPLIES[0])
        wait_until(lambda: subscriber.read() and subscriber.messages, what="it", sleep=gevent.sleep)


@pytest.mark.parametrize("prefix", [b"", b"z1/", b"z1/b", b"z1/batch", b"z1/delta/"])
def test_other_subscriptions_cause_no_batches(bus: InProcessBus, prefix: bytes) -> None:
    before = bus.stats.bus.messages["batch"]
    with bus.subscriber() as subscriber:
        subscriber.join(prefix, BEATS)
        poll_all(bus, 2)
        bus.beat()
        subscriber.until_beat(bus.beats)
    assert bus.stats.bus.messages["batch"] == before


def test_batches_end_with_the_last_subscription(bus: InProcessBus) -> None:
    with bus.subscriber() as subscriber:
        subscriber.join(BATCH_TOPIC)
        poll_all(bus, 1)
    wait_until(lambda: not bus.stats.bus.topics, what="the end", sleep=gevent.sleep)
    before = bus.stats.bus.messages["batch"]
    poll_all(bus, 2)
    bus.beat()
    assert bus.stats.bus.messages["batch"] == before


@pytest.mark.parametrize("prefix", [b"", b"z1/", b"z1/b", BATCH_TOPIC, FIELDS])
def test_a_limited_subscriber_gets_its_shards_without_hidden_fields(
    bus: InProcessBus, prefix: bytes
) -> None:
    with (
        bus.subscriber() as everything,
        bus.subscriber(LIMITED) as other,
        bus.subscriber(LIMITED) as limited,
    ):
        everything.join(BATCH_TOPIC, FIELDS)
        other.join(BATCH_TOPIC, FIELDS)
        limited.join(prefix, BEATS)
        poll_all(bus, 3)
        bus.beat()
        limited.until_beat(bus.beats)
    found = deltas(limited.messages)
    assert {one.topic for one in found} == {topic("delta", ident) for ident in ("a:1", "a:2")}
    names = {name for one in found for name in (*one.body["set"], *one.body["unset"])}
    assert "uptime_in_seconds" in names
    assert not [name for name in names if name == "role" or name.startswith("used_")]


def test_a_subscriber_without_infos_is_refused_batches(bus: InProcessBus) -> None:
    with bus.subscriber() as other, bus.subscriber(NO_INFOS) as limited:
        other.join(BATCH_TOPIC)
        limited.join(BATCH_TOPIC, FIELDS, BEATS)
        assert refused(limited) == {BATCH_TOPIC, FIELDS}
        poll_all(bus, 2)
        bus.beat()
        limited.until_beat(bus.beats)
    assert not limited.batches


@pytest.mark.parametrize(
    "topic",
    [
        b"z1/fields/",
        b"z1/fields/role",
        b"z1/fields/role,db0/",
        b"z1/fields/" + b",".join(b"f%03d" % number for number in range(65)) + b"/",
        b"z1/fields/" + b"f" * 257 + b"/",
    ],
)
def test_a_topic_of_fields_in_another_form_is_refused(bus: InProcessBus, topic: bytes) -> None:
    with bus.subscriber() as subscriber:
        subscriber.join(topic)
        assert refused(subscriber) == {topic}


def test_a_socket_has_16_sets_of_fields(bus: InProcessBus) -> None:
    topics = [fields_topic(["used_memory", f"f{number:02}"]) for number in range(16)]
    with bus.subscriber() as one, bus.subscriber() as other, bus.subscriber() as late:
        one.join(*topics, BEATS)
        other.join(topics[0], FIELDS)
        assert (refused(one), refused(other)) == (set(), {FIELDS})
        poll_all(bus, 2)
        bus.beat()
        one.until_beat(bus.beats)
        assert {batch.topic for batch in one.batches} == set(topics)
        one.close()
        wait_until(lambda: bus.stats.bus.topics <= 1, what="its end", sleep=gevent.sleep)
        late.join(FIELDS, BATCH_TOPIC)
        assert not refused(late)


def test_ten_thousand_topics_of_fields_cost_nothing_at_a_poll(bus: InProcessBus) -> None:
    with bus.subscriber() as attacker, bus.subscriber() as honest:
        honest.join(FIELDS, BEATS)
        attacker.join(*(fields_topic([f"f{number}"]) for number in range(10_000)))
        assert len(refused(attacker)) == 20
        before = bus.stats.bus.messages["fields"]
        bus.poll(0, REPLIES[1])
        bus.poll(0, REPLIES[2])
        bus.beat()
        honest.until_beat(bus.beats)
    assert len(deltas(honest.messages)) == 2
    assert bus.stats.bus.messages["fields"] - before <= 2 * 16


def test_a_set_of_fields_in_use_elsewhere_is_counted_for_each_socket(bus: InProcessBus) -> None:
    """The sockets without hidden fields share their selections."""
    with bus.subscriber(ONE_SHARD) as other:
        with bus.subscriber() as subscriber:
            subscriber.join(FIELDS)
            other.join(FIELDS, BEATS)
        wait_until(lambda: bus.stats.bus.topics == 2, what="its end", sleep=gevent.sleep)
        poll_all(bus, 2)
        bus.beat()
        other.until_beat(bus.beats)
    assert [set(one.body["set"]) - set(NAMES) for one in deltas(other.messages)] == [set()] * 4
    assert all("uptime_in_seconds" in one.body["set"] for one in deltas(other.messages)[2:])
