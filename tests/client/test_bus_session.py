"""How a BusSession joins, backs off and is reset."""

from __future__ import annotations

import random
from typing import Any

import pytest

from zinfo.client.bus_session import (
    BusSession,
    CloseBus,
    OpenBus,
    OpenQuery,
    Phase,
    SendRequest,
    Timing,
)
from zinfo.client.endpoints import checked, reachable
from zinfo.client.gap_detection import NumberGapDetector, RevisionGapDetector
from zinfo.client.resync import MAX_ID_BYTES, MAX_IDS, split
from zinfo.errors import ConfigError
from zinfo.wire.bus_messages import Header
from zinfo.wire.query_messages import Reply, encode_request

HELLO = {"versions": [1], "bus": ["tcp://h:2"], "heartbeat": 0.5, "node": "n"}


def new_session(**options: Any) -> BusSession:
    options = {"endpoint": "tcp://h:1", "rng": random.Random(3), **options}
    return BusSession([b"z1/hb/"], **options)


def hello_reply(body: object, epoch: int = 7) -> Reply:
    return Reply(1, {"ok": True, "epoch": epoch}, body)


def header(epoch: int = 7, time: float = 0.0) -> Header:
    return Header(1, "n", epoch, 0, time)


def test_it_sends_hello_then_opens_the_bus_then_waits_for_its_own_fence() -> None:
    under_test = new_session()
    under_test.tick(0)
    opened, sent = under_test.actions
    assert opened == OpenQuery("tcp://h:1")
    assert isinstance(sent, SendRequest)
    assert sent.request.op == "hello"
    encode_request(sent.request)
    under_test.actions.clear()
    assert under_test.expects(Reply(sent.request.id, {}))
    assert not under_test.expects(Reply("other", {}))
    under_test.on_hello(hello_reply(HELLO), 0)
    (join,) = under_test.actions
    assert isinstance(join, OpenBus)
    assert join.endpoint == "tcp://h:2"
    fence = join.topics[-1]
    assert join.topics[:-1] == (b"z1/hb/",)
    assert fence.startswith(b"~fence/")
    assert not under_test.on_fence(b"~fence/another", header(), 0)
    assert under_test.phase is Phase.AWAITING_FENCE
    assert under_test.on_fence(fence, header(), 0)
    assert under_test.reliable(1.5)
    assert not under_test.reliable(1.6)  # three intervals of the 0.5 s in the reply to hello


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (None, "malformed"),
        ({**HELLO, "versions": [2, 3]}, "versions [2, 3] of the protocol, not 1"),
        ({**HELLO, "versions": None}, "versions None"),
        ({**HELLO, "bus": []}, "reports no bus endpoint"),
        ({**HELLO, "bus": "tcp://h:2"}, "reports no bus endpoint"),
        ({**HELLO, "bus": [], "rights": {"kinds": []}}, "allows this client nothing on the bus"),
    ],
)
def test_an_unusable_reply_to_hello_is_the_problem_and_hello_is_sent_again(
    body: object, problem: str
) -> None:
    under_test = new_session()
    under_test.tick(0)
    under_test.on_hello(hello_reply(body), 0)
    assert problem in under_test.problem
    assert under_test.phase is Phase.BACKOFF
    under_test.tick(under_test.deadline())
    assert under_test.actions[-2] == OpenQuery("tcp://h:1")


def test_without_a_reply_it_retries_with_exponential_backoff_up_to_a_limit() -> None:
    timing = Timing(reply_timeout=1, initial_backoff=0.1, max_backoff=0.8)
    under_test = new_session(timing=timing)
    now, pauses = 0.0, []
    for _ in range(8):
        under_test.tick(now)
        now = under_test.deadline()
        under_test.tick(now)
        assert under_test.problem == "no answer from tcp://h:1"
        pauses.append(under_test.deadline() - now)
        now = under_test.deadline()
    assert 0.05 <= pauses[0] <= 0.1
    assert all(0.4 <= pause <= 0.8 for pause in pauses[3:])
    assert len(set(pauses)) == len(pauses)


def test_without_a_fence_it_joins_again_with_another_nonce() -> None:
    under_test = new_session(endpoint=None, bus="tcp://h:2")
    nonces = set()
    now = 0.0
    for _ in range(3):
        under_test.actions.clear()
        under_test.tick(now)
        (join,) = under_test.actions
        assert isinstance(join, OpenBus)
        nonces.add(join.topics[-1])
        now = under_test.deadline()
        under_test.tick(now)
        assert under_test.actions[-1] == CloseBus()
        assert "bus of tcp://h:2" in under_test.problem
        now = under_test.deadline()
    assert len(nonces) == 3


def test_after_a_reset_joined_sessions_rejoin_at_random_times() -> None:
    pauses = []
    for seed in range(20):
        under_test = new_session(endpoint=None, bus="tcp://h:2", rng=random.Random(seed))
        under_test.tick(0)
        join = under_test.actions.pop()
        assert isinstance(join, OpenBus)
        under_test.on_fence(join.topics[-1], header(), 0)
        under_test.tick(3.5)
        pauses.append(under_test.deadline() - 3.5)
    assert max(pauses) - min(pauses) > 0.6
    assert max(pauses) <= 1


def test_messages_before_joining_and_of_other_epochs_are_not_accepted() -> None:
    under_test = new_session()
    assert not under_test.accepts(header(), 0)
    under_test.tick(0)
    under_test.on_hello(hello_reply(HELLO), 0)
    assert under_test.accepts(header(), 0)
    assert not under_test.accepts(header(epoch=8), 0)
    assert under_test.phase is Phase.BACKOFF
    assert "started again" in under_test.problem


def test_a_closed_session_does_nothing() -> None:
    under_test = new_session()
    under_test.close()
    under_test.actions.clear()
    under_test.tick(1e9)
    assert not under_test.actions


def test_a_session_needs_an_endpoint() -> None:
    with pytest.raises(ValueError, match="endpoint"):
        new_session(endpoint=None)


@pytest.mark.parametrize(
    ("bus", "query", "seen"),
    [
        ("tcp://0.0.0.0:2", "tcp://10.0.0.1:1", "tcp://10.0.0.1:2"),
        ("tcp://*:2", "tcp://db-1:1", "tcp://db-1:2"),
        ("tcp://[::]:2", "tcp://[fe80::1]:1", "tcp://[fe80::1]:2"),
        ("tcp://10.0.0.2:2", "tcp://10.0.0.1:1", "tcp://10.0.0.2:2"),
        ("ipc:///run/bus", "tcp://10.0.0.1:1", "ipc:///run/bus"),
        ("tcp://*:2", "ipc:///run/query", "tcp://*:2"),
    ],
)
def test_a_wildcard_bus_endpoint_gets_the_host_of_the_query_endpoint(
    bus: str, query: str, seen: str
) -> None:
    assert reachable(bus, query) == seen


@pytest.mark.parametrize(
    "endpoint", ["", "127.0.0.1:9736", "tcp://host", "tcp://:1", "tcp://h:70000", "udp://h:1"]
)
def test_an_invalid_endpoint_is_rejected_with_an_example(endpoint: str) -> None:
    with pytest.raises(ConfigError, match=r"expected one like tcp://127\.0\.0\.1:9736"):
        checked(endpoint)


def test_ids_are_split_into_requests_that_the_daemon_accepts() -> None:
    ids = {f"{number:040d}" for number in range(1500)} | {"x" * (MAX_ID_BYTES + 1)}
    parts = split(ids)
    assert {shard for part in parts for shard in part} == ids
    assert all(len(part) <= MAX_IDS for part in parts)
    assert all(sum(map(len, part)) <= MAX_ID_BYTES for part in parts[:-1])
    assert split([]) == []


def test_revisions_are_compared_with_totals() -> None:
    detector = RevisionGapDetector()
    assert detector.compare(100) == 0
    assert [detector.count("a", 5), detector.count("a", 6), detector.count("b", 1)] == [0, 0, 0]
    assert detector.count("a", 6) == -1
    assert detector.compare(103) == 0
    assert detector.count("a", 9) == 2
    assert detector.compare(106) == 0
    assert detector.compare(107) == 1
    detector.forget("a")
    assert detector.count("a", 50) == 0


def test_event_numbers_are_checked_for_gaps() -> None:
    detector = NumberGapDetector()
    assert [detector.count(4), detector.count(5), detector.count(8), detector.count(8)] == [
        0,
        0,
        2,
        -1,
    ]
    assert [detector.compare(8), detector.compare(9), detector.compare(9)] == [0, 1, 0]
    assert NumberGapDetector().compare(5) == 0
