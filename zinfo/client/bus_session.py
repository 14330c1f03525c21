"""The way to a daemon: hello, bus, fence, heartbeats, and starting again. Pure: it decides only.

    PAUSED --time--> GREETING --hello's reply--> FENCING --fence--> JOINED
      ^                 |                           |                 |
      +----------- no answer -------------- no fence --- silent, late, other epoch

Whoever owns a Link passes it what arrives and the time, and carries out the `actions` that it asks
for. All times given to it are seconds of one clock that never goes back.
"""

from __future__ import annotations

import enum
import itertools
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from zinfo.client.endpoints import reachable
from zinfo.client.updates import Heartbeat
from zinfo.errors import NotAllowedError
from zinfo.wire.bus_messages import Header, fence_topic
from zinfo.wire.codec import VERSION
from zinfo.wire.query_messages import Reply, Request

CLOCK_DRIFT = 1e-4  # seconds a second by which two clocks may part unnoticed


class Phase(enum.Enum):
    """How far a Link has come."""

    PAUSED = "paused"
    GREETING = "greeting"
    FENCING = "fencing"
    JOINED = "joined"


@dataclass(frozen=True, slots=True)
class Timing:
    """Waits of a Link and of what builds on it, in seconds.

    Attributes:
        reply: how long hello and the fence may take.
        page: how long one page of a snapshot may take; it doubles with each further try.
        pages: tries of one page (a count).
        heartbeats: missed heartbeats after which everything is stale (a count).
        first_pause: before the second try to join; it doubles with each further one.
        longest_pause: where doubling ends.
        spread: a random part of this is waited before many would do the same at once.
        longest_spread: where that ends, when it doubles with each snapshot needed.
    """

    reply: float = 1.5
    page: float = 2.0
    pages: int = 4
    heartbeats: int = 3
    first_pause: float = 0.1
    longest_pause: float = 1.0
    spread: float = 1.0
    longest_spread: float = 2.0


@dataclass(frozen=True, slots=True)
class OpenQuery:
    """Close the query socket where there is one, and open a fresh one."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class Ask:
    """Send a request on the query socket."""

    request: Request


@dataclass(frozen=True, slots=True)
class JoinBus:
    """Open a bus socket and subscribe to topics and fence, in this order."""

    endpoint: str
    topics: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class LeaveBus:
    """Close the bus socket where there is one."""


Action: TypeAlias = "OpenQuery | Ask | JoinBus | LeaveBus"


class Link:
    """Joins a daemon's bus and knows whether it can be relied on.

    Args:
        topics: what is subscribed, the heartbeats' topic included.
        endpoint: the query endpoint; None where only `bus` is known.
        bus: the bus endpoint, where hello need not tell it.
        timing: the waits.
        judge_lateness: whether messages that come late are taken for a cut; an owner that reads the
            bus only now and then is itself the reason of their lateness.
        rng: source of nonces and random waits.

    Attributes:
        actions: what is to be done, oldest first; the owner takes them out.
        phase: how far it has come.
        epoch: of the daemon that is being joined or is joined; None while not known.
        node: its name.
        interval: seconds between its heartbeats.
        heard_at: when the last heartbeat (or the fence) came.
        partial: whether the daemon tells this client of some shards or fields only, so that its
            totals count what never comes.
        refused: topics that the daemon does not let this client have, as the last fence said.
        joins: how often the fence was passed.
        problem: why it is not joined, one line; "" where it is.
    """

    def __init__(
        self,
        topics: Sequence[bytes],
        *,
        endpoint: str | None,
        bus: str | None = None,
        timing: Timing | None = None,
        judge_lateness: bool = True,
        rng: random.Random | None = None,
    ) -> None:
        if endpoint is None and bus is None:
            raise ValueError("a query endpoint or a bus endpoint is needed")
        self.actions: list[Action] = []
        self.phase = Phase.PAUSED
        self.epoch: int | None = None
        self.node = ""
        self.interval = 1.0
        self.heard_at = -math.inf
        self.partial = False
        self.refused: tuple[str, ...] = ()
        self.joins = 0
        self.problem = "not joined yet"
        self.timing = timing or Timing()
        self.rng = rng or random.Random()
        self._topics = tuple(topics)
        self._endpoint = endpoint
        self._bus = bus
        self._judges_lateness = judge_lateness
        self._ids = itertools.count(1)
        self._until = -math.inf  # when the phase ends by itself; at once where nothing began yet
        self._failures = 0
        self._hello_id = 0
        self._fence = b""
        self._offset = math.inf  # our clock minus the daemon's, for the quickest message so far

    # --- what the owner asks

    @property
    def silence_limit(self) -> float:
        """Seconds without a heartbeat after which the link is not relied on."""
        return self.timing.heartbeats * self.interval

    def reliable(self, now: float) -> bool:
        """Return whether the bus is joined and heartbeats come."""
        return self.phase is Phase.JOINED and now - self.heard_at <= self.silence_limit

    def lateness(self, header: Header, now: float) -> float:
        """Return the seconds that a message took longer than the quickest one."""
        return max(0.0, now - header.time - self._offset)

    def daemon_time(self, now: float) -> float:
        """Return about what the daemon's wall clock shows, seconds since the Unix epoch."""
        return now - self._offset

    def deadline(self) -> float:
        """Return the time at which `tick` has something to do, if nothing else happens."""
        if self.phase is Phase.JOINED:
            return self.heard_at + self.silence_limit
        return self._until

    def next_id(self) -> int:
        """Return an id for a request that no other request of this Link has."""
        return next(self._ids)

    # --- what happens

    def tick(self, now: float) -> None:
        """Time passed."""
        if self.phase is Phase.JOINED:
            silence = now - self.heard_at
            if silence > self.silence_limit:
                self.lose(now, f"no heartbeat for {silence:.1f} s")
        elif now >= self._until:
            if self.phase is Phase.GREETING:
                self.lose(now, f"no answer from {self._endpoint}")
            elif self.phase is Phase.FENCING:
                self.lose(now, f"no answer on the bus of {self._endpoint or self._bus}")
            elif self._endpoint is None:
                self._join(str(self._bus), now)
            else:
                self._greet(self._endpoint, now)

    def expects(self, reply: Reply) -> bool:
        """Return whether a reply is the one to hello."""
        return self.phase is Phase.GREETING and reply.id == self._hello_id

    def greeted(self, reply: Reply, now: float) -> None:
        """The reply to hello came."""
        body = reply.body
        if reply.error is not None or not isinstance(body, dict):
            self.lose(now, str(reply.error or "hello was answered with nonsense"))
            return
        versions, bus = body.get("versions"), self._bus or _first_text(body.get("bus"))
        if not isinstance(versions, list) or VERSION not in versions:
            self.lose(now, f"the daemon serves versions {versions!r} of the wire, not {VERSION}")
        elif bus is None:
            limited = bool(body.get("rights"))
            why = "may not have anything from the bus" if limited else "finds no bus"
            self.lose(now, f"this client {why} of the daemon at {self._endpoint}")
        else:
            self.partial = bool(body.get("rights"))
            self.epoch, self.node = reply.epoch, str(body.get("node", ""))
            interval = body.get("heartbeat")
            if isinstance(interval, (int, float)) and 0 < interval < math.inf:
                self.interval = float(interval)
            self._join(reachable(bus, str(self._endpoint)), now)

    def accepts(self, header: Header, now: float) -> bool:
        """Return whether a bus message may be used; another epoch's ends the link."""
        if self.phase not in (Phase.FENCING, Phase.JOINED):
            return False
        if self.epoch is None:
            self.epoch, self.node = header.epoch, header.node
        if header.epoch != self.epoch:
            self.lose(now, f"another daemon, or one that started again: {header.node}")
            return False
        return True

    def fence(self, nonce_topic: bytes, header: Header, now: float) -> bool:
        """A fence came.

        Returns:
            Whether it is ours: the subscriptions stand from here on. When that happens again, the
            connection was lost and made anew, and messages may be missing.
        """
        if nonce_topic != self._fence:
            return False
        self.phase = Phase.JOINED
        self.problem = ""
        self.joins += 1
        self.heard_at = now
        self._offset = now - header.time
        return True

    def heartbeat(self, heartbeat: Heartbeat, now: float) -> bool:
        """A heartbeat came; returns whether the link is still joined."""
        if self.phase is not Phase.JOINED:
            return False
        self._offset += max(0.0, now - self.heard_at) * CLOCK_DRIFT
        self._offset = min(self._offset, now - heartbeat.time)
        self.interval = heartbeat.interval
        late = now - heartbeat.time - self._offset
        if self._judges_lateness and late > self.silence_limit:
            self.lose(now, f"messages come {late:.1f} s late")
            return False
        self.heard_at = now
        self._failures = 0
        return True

    def lose(self, now: float, why: str) -> None:
        """Give up what there is of a connection; start again after a random pause."""
        timing = self.timing
        if self.phase is Phase.JOINED and not self._failures:
            pause = self.rng.uniform(0, timing.spread)
        else:
            longest = min(timing.longest_pause, timing.first_pause * 2 ** min(self._failures, 16))
            pause = self.rng.uniform(longest / 2, longest)
        self._failures += 1
        self.problem = why
        self.phase, self._until = Phase.PAUSED, now + pause
        self.actions.append(LeaveBus())

    def ask_afresh(self, request: Request) -> None:
        """Send a request on a fresh socket: the old one's connection may be gone."""
        if self._endpoint is not None:
            self.actions += [OpenQuery(self._endpoint), Ask(request)]

    def leave(self) -> None:
        """Stop for good."""
        self.problem = "closed"
        self.phase, self._until = Phase.PAUSED, math.inf
        self.actions.append(LeaveBus())

    def _greet(self, endpoint: str, now: float) -> None:
        self.phase, self._until = Phase.GREETING, now + self.timing.reply
        self._hello_id = self.next_id()
        hello = Request("hello", id=self._hello_id, deadline=self.timing.reply)
        self.actions += [OpenQuery(endpoint), Ask(hello)]

    def _join(self, bus: str, now: float) -> None:
        if self._endpoint is None:
            self.epoch = None  # the first message tells
        self.phase, self._until = Phase.FENCING, now + self.timing.reply
        self._fence = fence_topic(f"{self.rng.getrandbits(64):016x}")
        self.actions.append(JoinBus(bus, (*self._topics, self._fence)))


def refusal(topics: Sequence[str]) -> NotAllowedError:
    """Return the error that says that a client may not have some topics."""
    return NotAllowedError(
        f"the daemon does not let this client have {', '.join(topics)} from the bus: "
        "see `rights` in its answer to hello"
    )


def _first_text(value: object) -> str | None:
    return (
        next((item for item in value if isinstance(item, str)), None)
        if isinstance(value, list)
        else None
    )
