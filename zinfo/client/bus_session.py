"""State machine that joins a daemon's bus and decides when the connection has to be replaced. Pure.

    BACKOFF --delay--> AWAITING_HELLO --hello reply--> AWAITING_FENCE --own fence--> JOINED
       ^                     |                               |                        |
       +---------- no reply, bad reply ---------------- no fence ------- silent, late, other epoch

1. Send `hello` to the query endpoint. The reply has the daemon's epoch, heartbeat interval and bus
   endpoint. (A session that was given only a bus endpoint skips this step.)
2. Open a SUB socket, subscribe to the topics and, last, to `~fence/` with a random nonce. The
   daemon publishes to that topic when the subscription arrives. ZeroMQ delivers subscriptions in
   order, so once the fence has come, every earlier subscription is in place: the session is JOINED.
3. The fence comes again when libzmq has reconnected. Messages may have been lost in between.
4. The session ends, and step 1 follows after a random delay, when no heartbeat came for
   `Timing.missed_heartbeats` intervals, when messages arrive later than that, or when a message has
   another epoch, which means that the daemon was restarted.

The owner passes in messages and the current time, and carries out `actions`. All times are seconds
of one monotonic clock.
"""

from __future__ import annotations

import enum
import itertools
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from zinfo.client.endpoints import reachable
from zinfo.client.updates import Heartbeat
from zinfo.errors import NotAllowedError
from zinfo.wire.bus_messages import Header, fence_topic
from zinfo.wire.codec import VERSION
from zinfo.wire.query_messages import Reply, Request
from zinfo.wire.slices import SliceSpec, slice_from_map

NOT_JOINED = "not joined yet"
"""Problem of a session before its first reply."""

CLOCK_DRIFT = 1e-4  # largest drift between two clocks that is expected, in seconds per second


class Phase(enum.Enum):
    """State of a BusSession."""

    BACKOFF = "backoff"
    AWAITING_HELLO = "awaiting_hello"
    AWAITING_FENCE = "awaiting_fence"
    JOINED = "joined"


@dataclass(frozen=True, slots=True)
class Timing:
    """Timeouts and delays of a BusSession and its owner, in seconds.

    Attributes:
        reply_timeout: for the reply to hello, and for the fence.
        page_timeout: for one page of a snapshot; doubled for each retry.
        page_tries: how often a page is requested (a count).
        missed_heartbeats: heartbeats without which the session is no longer reliable (a count).
        initial_backoff: longest delay before the first retry of a failed join; doubled for each
            further one.
        max_backoff: upper bound of that delay.
        jitter: upper bound of the random delay before many clients would send the same request.
        max_jitter: upper bound of `jitter` once it was doubled for repeated snapshots.
    """

    reply_timeout: float = 1.5
    page_timeout: float = 2.0
    page_tries: int = 4
    missed_heartbeats: int = 3
    initial_backoff: float = 0.1
    max_backoff: float = 1.0
    jitter: float = 1.0
    max_jitter: float = 2.0


@dataclass(frozen=True, slots=True)
class OpenQuery:
    """Open a new query socket; close the previous one."""

    endpoint: str


@dataclass(frozen=True, slots=True)
class SendRequest:
    """Send a request on the query socket."""

    request: Request


@dataclass(frozen=True, slots=True)
class OpenBus:
    """Open a new bus socket and subscribe to the topics in this order; close the previous one."""

    endpoint: str
    topics: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class CloseBus:
    """Close the bus socket, if it is open."""


Action: TypeAlias = "OpenQuery | SendRequest | OpenBus | CloseBus"


class BusSession:
    """Joins a daemon's bus, and knows whether its messages can be relied on.

    Args:
        topics: to subscribe to, or a function that returns them, given the kinds of topics that the
            daemon offers; they include that of the heartbeats.
        endpoint: the query endpoint; None where only `bus` is known.
        bus: the bus endpoint; None for the one in the reply to hello.
        timing: timeouts and delays.
        check_lateness: whether late messages end the session. False for an owner that reads the bus
            irregularly, and so causes the lateness itself.
        rng: source of nonces and random delays.

    Attributes:
        actions: to be carried out by the owner, oldest first; the owner empties the list.
        phase: the current state.
        epoch: of the daemon; None while it is unknown.
        node: name of the daemon.
        interval: seconds between its heartbeats.
        last_heartbeat_at: when the last heartbeat, or the fence, arrived.
        kinds: of the topics that the daemon offers this client; empty for an older daemon, and
            without a query endpoint.
        partial: whether the daemon hides some shards or fields from this client, so that its totals
            count messages that this client does not receive.
        slice: the slice that the daemon polls, by the last reply to hello; None where it has none.
        waiting: number of the daemon's sources of shards that it has not been able to read so far,
            so that it may not know all of its shards; 0 for an older daemon.
        known: whether there was a reply to hello.
        refused_topics: those that the daemon refused, according to the last fence.
        joins: number of fences received.
        problem: one line that says why the session is not joined; "" when it is.
    """

    def __init__(
        self,
        topics: Sequence[bytes] | Callable[[frozenset[str]], Sequence[bytes]],
        *,
        endpoint: str | None,
        bus: str | None = None,
        timing: Timing | None = None,
        check_lateness: bool = True,
        rng: random.Random | None = None,
    ) -> None:
        if endpoint is None and bus is None:
            raise ValueError("a query endpoint or a bus endpoint is needed")
        self.actions: list[Action] = []
        self.phase = Phase.BACKOFF
        self.epoch: int | None = None
        self.node = ""
        self.interval = 1.0
        self.last_heartbeat_at = -math.inf
        self.kinds: frozenset[str] = frozenset()
        self.partial = False
        self.slice: SliceSpec | None = None
        self.waiting = 0
        self.known = False
        self.refused_topics: tuple[str, ...] = ()
        self.joins = 0
        self.problem = NOT_JOINED
        self.timing = timing or Timing()
        self.rng = rng or random.Random()
        self._topics = topics
        self._endpoint = endpoint
        self._bus = bus
        self._checks_lateness = check_lateness
        self._ids = itertools.count(1)
        self._until = -math.inf  # when the current phase times out
        self._failures = 0
        self._hello_id = 0
        self._repeated_id = 0
        self._fence = b""
        self._offset = math.inf  # local clock minus daemon's wall clock, by the fastest message

    # --- queries

    @property
    def silence_limit(self) -> float:
        """Seconds without a heartbeat after which the session is not reliable."""
        return self.timing.missed_heartbeats * self.interval

    def reliable(self, now: float) -> bool:
        """Return whether the bus is joined and the last heartbeat is recent."""
        return self.phase is Phase.JOINED and now - self.last_heartbeat_at <= self.silence_limit

    @property
    def clock_offset(self) -> float:
        """Local clock minus the daemon's wall clock, in seconds, by the fastest message."""
        return self._offset

    def daemon_time(self, now: float) -> float:
        """Return an estimate of the daemon's wall clock, seconds since the Unix epoch."""
        return now - self._offset

    def deadline(self) -> float:
        """Return the time of the next `tick` that is needed if no message arrives."""
        if self.phase is Phase.JOINED:
            return self.last_heartbeat_at + self.silence_limit
        return self._until

    def next_id(self) -> int:
        """Return a request id that is unique in this session."""
        return next(self._ids)

    # --- inputs

    def tick(self, now: float) -> None:
        """Check timeouts."""
        if self.phase is Phase.JOINED:
            silence = now - self.last_heartbeat_at
            if silence > self.silence_limit:
                self.reset(now, f"no heartbeat for {silence:.1f} s")
        elif now >= self._until:
            if self.phase is Phase.AWAITING_HELLO:
                self.reset(now, f"no answer from {self._endpoint}")
            elif self.phase is Phase.AWAITING_FENCE:
                self.reset(now, f"no answer on the bus of {self._endpoint or self._bus}")
            elif self._endpoint is None:
                self._join(str(self._bus), now)
            else:
                self._send_hello(self._endpoint, now)

    def expects(self, reply: Reply) -> bool:
        """Return whether this is the reply to the current hello."""
        return self.phase is Phase.AWAITING_HELLO and reply.id == self._hello_id

    def on_hello(self, reply: Reply, now: float) -> None:
        """Handle the reply to hello: join the bus, or back off."""
        body = reply.body
        if reply.error is not None or not isinstance(body, dict):
            self.reset(now, str(reply.error or "the reply to hello is malformed"))
            return
        versions, bus = body.get("versions"), self._bus or _first_text(body.get("bus"))
        if not isinstance(versions, list) or VERSION not in versions:
            self.reset(
                now, f"the daemon serves versions {versions!r} of the protocol, not {VERSION}"
            )
        elif bus is None:
            limited = bool(body.get("rights"))
            why = "allows this client nothing on the bus" if limited else "reports no bus endpoint"
            self.reset(now, f"the daemon at {self._endpoint} {why}")
        else:
            self.partial = bool(body.get("rights"))
            self._note_shards(body)
            kinds = body.get("kinds")
            texts = kinds if isinstance(kinds, list) else ()
            self.kinds = frozenset(kind for kind in texts if isinstance(kind, str))
            self.epoch, self.node = reply.epoch, str(body.get("node", ""))
            interval = body.get("heartbeat")
            if isinstance(interval, (int, float)) and 0 < interval < math.inf:
                self.interval = float(interval)
            self._join(reachable(bus, str(self._endpoint)), now)

    def repeated_hello(self) -> Request:
        """Return a `hello` to send while the bus is joined: is the daemon still waiting?"""
        self._repeated_id = self.next_id()
        return Request("hello", id=self._repeated_id, deadline=self.timing.reply_timeout)

    def on_repeated_hello(self, reply: Reply) -> bool:
        """Take over what a daemon says of its shards; return whether this was the reply to that."""
        if reply.id != self._repeated_id:
            return False
        if reply.error is None and reply.epoch == self.epoch:
            reply.decode_body()
            if isinstance(reply.body, dict):
                self._note_shards(reply.body)
        return True

    def _note_shards(self, hello: dict[str, object]) -> None:
        waiting = hello.get("waiting")
        self.slice = slice_from_map(hello.get("slice"))
        self.waiting = waiting if isinstance(waiting, int) else 0
        self.known = True

    def accepts(self, header: Header, now: float) -> bool:
        """Return whether a bus message may be used; one of another epoch resets the session."""
        if self.phase not in (Phase.AWAITING_FENCE, Phase.JOINED):
            return False
        if self.epoch is None:
            self.epoch, self.node = header.epoch, header.node
        if header.epoch != self.epoch:
            self.reset(now, f"another daemon, or one that started again: {header.node}")
            return False
        return True

    def is_fence(self, nonce_topic: bytes) -> bool:
        """Return whether a fence is this session's."""
        return nonce_topic == self._fence

    def on_fence(self, nonce_topic: bytes, header: Header, now: float) -> bool:
        """Handle a fence.

        Returns:
            Whether it is this session's: from here on all subscriptions are in place. If it is not
            the first one, libzmq has reconnected and messages may be missing.
        """
        if not self.is_fence(nonce_topic):
            return False
        self.phase = Phase.JOINED
        self.problem = ""
        self.joins += 1
        self.last_heartbeat_at = now
        self._offset = now - header.time
        return True

    def on_heartbeat(self, heartbeat: Heartbeat, now: float) -> bool:
        """Handle a heartbeat; return whether the session is still joined."""
        if self.phase is not Phase.JOINED:
            return False
        self._offset += max(0.0, now - self.last_heartbeat_at) * CLOCK_DRIFT
        self._offset = min(self._offset, now - heartbeat.time)
        self.interval = heartbeat.interval
        late = now - heartbeat.time - self._offset
        if self._checks_lateness and late > self.silence_limit:
            self.reset(now, f"messages arrive {late:.1f} s late")
            return False
        self.last_heartbeat_at = now
        self._failures = 0
        return True

    def reset(self, now: float, reason: str) -> None:
        """Close the bus connection and join again after a random delay."""
        timing = self.timing
        if self.phase is Phase.JOINED and not self._failures:
            # Every client of a daemon that restarts comes here at the same moment.
            delay = self.rng.uniform(0, timing.jitter)
        else:
            longest = min(timing.max_backoff, timing.initial_backoff * 2 ** min(self._failures, 16))
            delay = self.rng.uniform(longest / 2, longest)
        self._failures += 1
        self.problem = reason
        self.phase, self._until = Phase.BACKOFF, now + delay
        self.actions.append(CloseBus())

    def resend(self, request: Request) -> None:
        """Send a request on a new socket, as the connection of the old one may be broken."""
        if self._endpoint is not None:
            self.actions += [OpenQuery(self._endpoint), SendRequest(request)]

    def close(self) -> None:
        """Close the bus connection and do not join again."""
        self.problem = "closed"
        self.phase, self._until = Phase.BACKOFF, math.inf
        self.actions.append(CloseBus())

    def _send_hello(self, endpoint: str, now: float) -> None:
        timeout = self.timing.reply_timeout
        self.phase, self._until = Phase.AWAITING_HELLO, now + timeout
        self._hello_id = self.next_id()
        hello = Request("hello", id=self._hello_id, deadline=timeout)
        self.actions += [OpenQuery(endpoint), SendRequest(hello)]

    def _join(self, bus: str, now: float) -> None:
        if self._endpoint is None:
            self.epoch = None  # taken from the first message
        self.phase, self._until = Phase.AWAITING_FENCE, now + self.timing.reply_timeout
        self._fence = fence_topic(f"{self.rng.getrandbits(64):016x}")
        topics = self._topics(self.kinds) if callable(self._topics) else self._topics
        self.actions.append(OpenBus(bus, (*topics, self._fence)))


def refused_topics_error(topics: Sequence[str]) -> NotAllowedError:
    """Return the error that names the topics which the daemon refused."""
    return NotAllowedError(
        f"the daemon does not let this client have {', '.join(topics)} from the bus: "
        "see `rights` in its reply to hello"
    )


def _first_text(value: object) -> str | None:
    return (
        next((item for item in value if isinstance(item, str)), None)
        if isinstance(value, list)
        else None
    )
