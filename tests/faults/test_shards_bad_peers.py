"""Shards that turn into something that is no good Redis, all at the same time, and good again."""

from __future__ import annotations

import contextlib
import functools
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.faults import peers
from tests.faults.peers import INFO, Fault, Peer
from tests.faults.watched import BACKOFF, INTERVAL, LONG, SLACK, TIMEOUT, House, Watched, house
from tests.promises import Promise
from tests.waiting import wait_until

MAX_REPLY = 1_000_000
"""Bytes of an INFO, at most, that the daemon of these tests takes."""

MOST_MEMORY = 24_000_000
"""Bytes by which the daemon may grow while all of these misbehave: each reply that is read in the
handshake is in memory twice for a moment, and a few are at the same time."""


@functools.cache
def _large_info() -> bytes:
    return peers.bulk(INFO + b"".join(b"field%07d:%0100d\r\n" % (n, n) for n in range(170_000)))


@functools.cache
def _many_errors() -> bytes:
    return peers.bulk(INFO + b"".join(b"errorstat_E%06d:count=1\r\n" % n for n in range(1_000_000)))


FAULTS: dict[str, tuple[Fault, str]] = {
    "speaks HTTP": (peers.sends(b"HTTP/1.1 400 Bad Request\r\n\r\n"), "protocol"),
    "sends garbage": (peers.sends(b"\x00\xff\x17" * 700), "protocol"),
    "a line without an end": (peers.streams(b"x", b"x" * 65536), "protocol"),
    "accepts and says nothing": (peers.sends_nothing, "timeout"),
    "drips one byte a second": (peers.sends_slowly, "timeout"),
    "closes in the middle of a reply": (peers.closes(peers.bulk(INFO)[:50]), "other"),
    "closes instead of answering": (peers.closes(b""), "other"),
    "announces 200 MB": (peers.sends(b"$200000000\r\nabc"), "protocol"),
    "announces 200 MB of INFO": (peers.replies_to_info(lambda: b"$200000000\r\nabc"), "protocol"),
    "sends a reply without an end": (
        peers.streams(b"*9999999\r\n", b"$1\r\na\r\n" * 999),
        "protocol",
    ),
    "an INFO of 20 MB": (peers.replies_to_info(_large_info), "protocol"),
    "an INFO of a million errors": (peers.replies_to_info(_many_errors), "protocol"),
    "an INFO that is empty": (peers.replies_to_info(lambda: b"$0\r\n\r\n"), "protocol"),
    "an INFO without fields": (
        peers.replies_to_info(lambda: peers.bulk(b"# Server\r\n")),
        "protocol",
    ),
    "sends more than the reply": (
        peers.replies_to_info(lambda: peers.bulk(INFO) + b"+MORE\r\n"),
        "protocol",
    ),
    "answers with an error": (peers.replies_to_info(lambda: b"-ERR no\r\n"), "other"),
    "takes the permission away": (
        peers.replies_to_info(lambda: b"-NOPERM no permission for info\r\n"),
        "noperm",
    ),
    "wants a password": (peers.sends(b"-NOAUTH Authentication required.\r\n"), "auth"),
    "takes no more clients": (peers.sends(b"-ERR max number of clients reached\r\n"), "refused"),
    "is in protected mode": (peers.sends(b"-DENIED protected mode\r\n"), "refused"),
}


CLOCK = "one whose clock jumps"


@dataclass
class Story:
    """What was seen of one shard.

    Attributes:
        down: seconds until the event, and the event.
        error: the shard's last error in words, while it was bad.
        known: its INFO while it was bad, twice, half a second apart.
        up: seconds from its being good again until the event; None where none came.
        types: of all its events.
        fresh: its INFO after that.
    """

    down: tuple[float, dict[str, Any]] | None = None
    error: str = ""
    known: list[dict[str, Any]] = field(default_factory=list)
    up: float | None = None
    types: list[str] = field(default_factory=list)
    fresh: dict[str, Any] = field(default_factory=dict)


@dataclass
class Tale:
    """What was seen of all, and of the daemon."""

    stories: dict[str, Story]
    grown: int = 0
    clock_ages: list[float] = field(default_factory=list)
    clock_types: list[str] = field(default_factory=list)
    stats: dict[str, Any] = field(default_factory=dict)


class Clock:
    """Gives INFO by a clock that jumps back and forth with each."""

    def __init__(self) -> None:
        self._usec = 1_700_000_000_000_000
        self._turns = 0

    def info(self) -> bytes:
        """The next one."""
        self._turns += 1
        self._usec = -self._usec if self._turns % 3 else self._usec // 2 + 4_000_000_000_000_000
        return INFO + (
            b"server_time_usec:%d\r\nuptime_in_seconds:%d\r\nlru_clock:%d\r\n"
            % (self._usec, self._usec // 1_000_000, self._usec % 1000)
        )


@pytest.fixture(scope="module")
def tale() -> Iterator[Tale]:
    _large_info(), _many_errors()
    with contextlib.ExitStack() as stack:
        bad = {name: stack.enter_context(Peer(fault)) for name, (fault, _) in FAULTS.items()}
        clock = stack.enter_context(Peer(info=Clock().info))
        home = stack.enter_context(house(max_reply_bytes=MAX_REPLY))
        home.watch(CLOCK, clock.url)
        shards = home.watch_all({name: peer.url for name, peer in bad.items()})
        home.wait_polled(3)
        yield _happen(home, shards, list(bad.values()))


def _happen(home: House, shards: list[Watched], bad: list[Peer]) -> Tale:
    tale = Tale({shard.id: Story() for shard in shards})
    memory, since, turned = home.memory(), home.newest(), time.time()
    for peer in bad:
        peer.bad = True

    def first(type_: str, after: int) -> dict[str, Any]:
        nonlocal memory
        tale.grown = max(tale.grown, home.memory() - memory)
        tale.clock_ages.append(Watched(home, CLOCK).info("role")["meta"]["info_age"])
        events: Any = home.daemon.ask("events", since=after).body
        return {e["shard"]: e for e in reversed(events) if e["type"] == type_}

    with contextlib.suppress(AssertionError):  # each test judges its own
        wait_until(lambda: len(first("down", since)) == len(bad), TIMEOUT + INTERVAL + 5)
    until = time.monotonic() + 2 * BACKOFF  # they are tried again, and still are bad
    while time.monotonic() < until:
        first("down", since)
        time.sleep(0.05)
    for ident, event in first("down", since).items():
        tale.stories[ident].down = event["time"] - turned, event
    for _ in range(2):
        for shard in shards:
            tale.stories[shard.id].known.append(shard.info("run_id"))
            tale.stories[shard.id].error = shard.facts()["error"]
        time.sleep(0.5)  # by which the age of what is known must have grown
    since, turned = home.newest(), time.time()
    for peer in bad:
        peer.bad = False
    with contextlib.suppress(AssertionError):
        wait_until(lambda: len(first("up", since)) == len(bad), LONG)
    for ident, event in first("up", since).items():
        tale.stories[ident].up = event["time"] - turned
    for shard in shards:
        story = tale.stories[shard.id]
        story.types, story.fresh = shard.types(), shard.info("run_id")
    tale.clock_types = Watched(home, CLOCK).types()
    tale.stats = home.stats()
    return tale


@pytest.mark.parametrize("name", FAULTS)
def test_a_shard_that_turns_bad_is_told_in_time_stays_readable_and_recovers(
    tale: Tale, name: str, promise: Promise
) -> None:
    story, reason = tale.stories[name], FAULTS[name][1]
    bound, back = TIMEOUT + INTERVAL, BACKOFF + INTERVAL
    assert story.down is not None, "no event"
    seconds, event = story.down
    promise(
        f"a shard {name}",
        f"down, {reason} within {bound:g} s; up {back:g} s after it is good",
        f"down, {event['reason']} after {seconds:.2f} s; up after {story.up or -1:.2f} s",
    )
    assert (event["old"], event["reason"]) == ("up", reason), event["message"]
    assert seconds <= bound + SLACK
    assert story.error
    first, second = (info["meta"] for info in story.known)
    assert all(info["run_id"] for info in story.known), "what was known stays readable"
    assert first["state"] == second["state"] == "down"
    assert first["revision"] == second["revision"]
    assert second["info_age"] - first["info_age"] >= 0.5, "its age grows"
    assert story.up is not None, "it does not recover"
    assert story.up <= back + SLACK
    # Another reason is another event; one that waits for an answer may be cut off at the end.
    types = [kind for kind, _ in itertools.groupby(story.types)]
    assert types == ["added", "up", "down", "up"], "nothing but that is told"
    assert story.fresh["meta"]["state"] == "up"
    assert story.fresh["meta"]["revision"] > first["revision"]


def test_all_of_them_together_cost_bounded_memory_and_no_fault_of_zinfos_own(
    tale: Tale, promise: Promise
) -> None:
    promise(
        f"{len(FAULTS)} bad shards, {MAX_REPLY / 1e6:g} MB of INFO allowed",
        f"grows by {MOST_MEMORY / 1e6:g} MB at most",
        f"{tale.grown / 1e6:.1f} MB",
    )
    assert tale.grown <= MOST_MEMORY
    assert tale.stats["poll"]["errors"] == 0
    assert tale.stats["restarts"] == {}


def test_a_clock_that_jumps_changes_nothing(tale: Tale, promise: Promise) -> None:
    promise(
        "a shard whose clock jumps",
        f"no event; ages from 0 to {INTERVAL:g} s, by zinfo's clock",
        f"{len(tale.clock_types) - 2} events; "
        f"ages from {min(tale.clock_ages):.2f} to {max(tale.clock_ages):.2f} s",
    )
    assert tale.clock_types == ["added", "up"]
    assert len(tale.clock_ages) > 10
    assert min(tale.clock_ages) >= 0
    assert max(tale.clock_ages) <= INTERVAL + SLACK
