"""The operations of the query endpoint: decoded request in, encoded body out. No socket here."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import gevent

from zinfo._version import __version__
from zinfo.errors import BadRequestError, DeadlineError, NotAllowedError, UnknownOpError
from zinfo.health.stats import Stats
from zinfo.loop.yielding import CooperativeYield
from zinfo.query.arguments import (
    MAX_IDS,
    MAX_KEYS,
    MAX_LABELS,
    MAX_SECTIONS,
    MAX_TOPICS,
    Arguments,
)
from zinfo.query.entry_encoder import EntryEncoder
from zinfo.query.paging import LONGEST_HEADER, Block, Entry, collect, ids_from
from zinfo.query.servicer import InfoProviderServicer, InfoQuery, has_labels
from zinfo.security.bus_rights import UNLIMITED
from zinfo.security.rights import ALL_RIGHTS, Rights
from zinfo.shards.events import EventLog
from zinfo.shards.prefix_set import PrefixSet
from zinfo.shards.shard import RedisShard
from zinfo.shards.source import SnapshotSource
from zinfo.wire.bus_messages import KIND_DELTA, KIND_INFO, topic
from zinfo.wire.codec import VERSION, map_header, pack, pack_fields
from zinfo.wire.identity import Identity
from zinfo.wire.query_messages import MAX_CONTAINERS, Request
from zinfo.wire.redact import redact_text

Item = TypeVar("Item")

_PATIENCE = 0.9  # part of a deadline spent on waiting for polls; the rest is for the reply
_MOST_DIGITS = 20  # of an event's number
_PAGE = 1 << 20  # bytes; a body is copied twice in one go, two milliseconds in which none is polled
_FEW = 4  # shards that a quick request may be about
_FEW_ITEMS = 16  # of any of its arguments
_LITTLE = 1 << 16  # bytes of these shards' INFO, which may have to be parsed
_INFO = pack("info")


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Bounds of the query endpoint.

    Attributes:
        max_request_bytes: largest request taken.
        max_reply_bytes: largest body of a reply, which is one entry where it is so large.
        min_refresh_interval: seconds; no shard is polled on demand more often.
        refresh_timeout: seconds that a query waits for the polls that it asked for, at most.
    """

    max_request_bytes: int = 65536
    max_reply_bytes: int = 4 * 1024 * 1024
    min_refresh_interval: float = 0.1
    refresh_timeout: float = 6.0


class Answer(NamedTuple):
    """What an operation gives.

    Attributes:
        body: msgpack.
        extra: further keys of the reply header.
    """

    body: bytes
    extra: Mapping[str, object] = MappingProxyType({})


class _Call(NamedTuple):
    """One request on its way.

    Attributes:
        args: its arguments.
        patience: seconds that it may wait for polls.
        rights: of the client that asks.
        yield_point: to be called again and again; gives other work its turn.
    """

    args: Arguments
    patience: float
    rights: Rights
    yield_point: Callable[[], None]


class Operations:
    """Runs the operations of the query endpoint.

    Args:
        servicer: answers about INFO.
        poller: polls on demand.
        stats: the counters that `stats` reports.
        identity: of the daemon.
        limits: bounds of requests and replies.
        bus_endpoints: where the bus is, as a client of some rights reaches it.
        heartbeat: seconds between two heartbeats of the bus.
        clock: returns the wall clock that `ping` tells.
    """

    def __init__(
        self,
        servicer: InfoProviderServicer,
        poller: SnapshotSource,
        *,
        stats: Stats,
        identity: Identity,
        limits: QueryLimits,
        bus_endpoints: Callable[[Rights], list[str]] = lambda _rights: [],
        heartbeat: float = 1.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._servicer = servicer
        self._publisher = servicer.publisher
        self._poller = poller
        self._events: EventLog = poller.events
        self._stats = stats
        self._identity = identity
        self._limits = limits
        self._enough = min(_PAGE, limits.max_reply_bytes)
        self._bus_endpoints = bus_endpoints
        self._heartbeat = heartbeat
        self._clock = clock
        self._run: dict[str, Callable[[_Call], Answer]] = {
            "hello": self._hello,
            "get_infos": self._get_infos,
            "shards": self._shards,
            "snapshot": self._snapshot,
            "events": self._recent_events,
            "stats": self._report,
            "ping": self._ping,
        }

    @property
    def names(self) -> list[str]:
        """The operations served."""
        return list(self._run)

    def is_quick(self, request: Request) -> bool:
        """Return whether a request is answered in well below a millisecond, without a wait."""
        if request.op in ("ping", "hello"):
            return True
        args = request.args
        ids = args.get("shard_ids" if request.op == "get_infos" else "ids")
        if not isinstance(ids, list) or not 0 < len(ids) <= _FEW or request.op == "events":
            return False
        if args.get("refresh"):
            return False
        for value in args.values():
            if isinstance(value, (list, dict)) and len(value) > _FEW_ITEMS:
                return False
        return self._size_of(ids) <= _LITTLE

    def _size_of(self, ids: Sequence[object]) -> int:
        """Return the bytes of INFO that are held of some shards."""
        size = 0
        for shard_id in ids:
            shard = self._publisher.find_shard(shard_id) if isinstance(shard_id, str) else None
            if shard is not None and shard.snapshot is not None:
                size += len(shard.snapshot.raw)
        return size

    def run(
        self, request: Request, rights: Rights | None = None, *, quick: bool | None = None
    ) -> Answer:
        """Run one request; may wait for polls, and gives other work its turn in long answers.

        Args:
            request: the request.
            rights: which shards and fields the client may know of; None for all. Whether it may
                call the operation is the caller's to look at.
            quick: what `is_quick` returned; None where it was not asked.

        Raises:
            RequestError: whatever is wrong with the request, or why there is no answer.
        """
        run = self._run.get(request.op)
        if run is None:
            raise UnknownOpError(
                f"no operation {request.op[:80]!r}; there are {', '.join(self._run)}"
            )
        args, rights = Arguments(request.args), rights or ALL_RIGHTS
        # What is quick must not: whoever runs it has others waiting.
        if quick is None:
            quick = self.is_quick(request)
        yield_point = _hurry if quick else CooperativeYield(low_priority=True).maybe_yield
        if request.deadline is None:
            return run(_Call(args, self._limits.refresh_timeout, rights, yield_point))
        with gevent.Timeout(request.deadline, DeadlineError("the deadline passed")):
            return run(_Call(args, request.deadline * _PATIENCE, rights, yield_point))

    # --- about shards ---

    def _get_infos(self, call: _Call) -> Answer:
        args = call.args
        query = InfoQuery(
            shard_ids=args.ids("shard_ids"),
            keys=args.texts("keys"),
            allow_partial=args.flag("allow_partial"),
            max_age=args.seconds("max_age"),
            prefix_matching=args.flag("prefix_matching"),
            sections=args.texts("sections", MAX_SECTIONS),
            labels=args.labels("labels"),
        )
        refresh, limit, cursor = args.flag("refresh"), args.count("limit"), args.text("cursor")
        args.finish()
        _require_seen(call, query.shard_ids)
        asked_at = time.monotonic()
        if refresh:
            self._refresh(query, asked_at, call)
        entries = EntryEncoder(self._servicer, query, call.rights, asked_at, call.yield_point)
        live = () if query.shard_ids else self._live(call.rights)
        room = self._enough - LONGEST_HEADER
        return self._page(entries.blocks(live, cursor, limit, room), limit, call)

    def _live(self, rights: Rights) -> Sequence[str]:
        return rights.visible_shards(self._publisher.sorted_shard_ids())

    def _refresh(self, query: InfoQuery, asked_at: float, call: _Call) -> None:
        until = asked_at + min(call.patience, self._limits.refresh_timeout)
        waiting = []
        for shard_id in dict.fromkeys(query.shard_ids) or self._live(call.rights):
            call.yield_point()
            found = self._servicer.lookup(shard_id)
            if found.shard is None or not has_labels(found.shard, query.labels):
                continue
            if found.snapshot is None or asked_at - found.snapshot.at >= query.max_age:
                done = self._poller.refresh(shard_id, self._limits.min_refresh_interval)
                if done is not None:
                    waiting.append(done)
        for done in waiting:  # one after the other: to wait for thousands at once takes long
            call.yield_point()
            if not done.is_set():
                done.wait(max(until - time.monotonic(), 0))

    def _shards(self, call: _Call) -> Answer:
        args, rights = call.args, call.rights
        ids, labels = args.ids("ids"), args.labels("labels")
        limit, cursor = args.count("limit"), args.text("cursor")
        args.finish()
        blocks = (
            Block((pack(rights.visible_attributes(describe(shard))),), after)
            for shard, after in self._select(ids, labels, cursor, call)
        )
        return self._page(blocks, limit, call)

    def _snapshot(self, call: _Call) -> Answer:
        args, rights = call.args, call.rights
        ids, labels = args.ids("ids"), args.labels("labels")
        topics = args.texts("topics", MAX_TOPICS)
        limit, cursor = args.count("limit"), args.text("cursor")
        args.finish()
        if ids and topics:
            raise BadRequestError("give ids or topics, not both")
        wanted = PrefixSet(text.encode("utf-8", "replace") for text in topics)
        number = self._events.newest
        blocks = (
            Block(self._encode_snapshot(shard, rights), after)
            for shard, after in self._select(ids, labels, cursor, call)
            if not topics or _has_topic(shard.id, wanted)
        )
        answer = self._page(blocks, limit, call)
        return Answer(answer.body, {**answer.extra, "number": number})

    def _select(
        self, ids: tuple[str, ...], labels: Mapping[str, str], cursor: str | None, call: _Call
    ) -> Iterator[tuple[RedisShard, str]]:
        _require_seen(call, ids)
        live = () if ids else self._live(call.rights)
        for shard_id, after in ids_from(ids, live, cursor):
            call.yield_point()  # also where none has what is asked for
            if not ids and shard_id not in self._publisher:
                continue  # gone since the list was made
            shard = self._publisher.get_shard(shard_id)
            if has_labels(shard, labels):
                yield shard, after

    def _page(self, blocks: Iterator[Block], limit: int, call: _Call) -> Answer:
        call.yield_point()  # other answers may have had this turn
        page = collect(
            blocks,
            most=limit,
            enough=self._enough,
            max_bytes=self._limits.max_reply_bytes,
            yield_point=call.yield_point,
        )
        return Answer(page.body, {} if page.cursor is None else {"cursor": page.cursor})

    def _encode_snapshot(self, shard: RedisShard, rights: Rights) -> Entry:
        snapshot = shard.snapshot
        values = rights.visible_attributes(describe(shard))
        values["shard"] = values.pop("id")
        values["time"] = snapshot.time if snapshot else None
        values["seq"] = self._events.seq(shard.id)
        pairs = pack(values)[len(map_header(len(values))) :]
        head = map_header(len(values) + 1) + pairs + _INFO
        if snapshot is None:
            return (head + pack(None),)
        if rights.hidden_fields:
            return head, pack_fields(rights.visible_fields(snapshot.info.fields))
        count, encoded = snapshot.encoded()
        return head + map_header(count), encoded

    # --- about the daemon ---

    def _hello(self, call: _Call) -> Answer:
        call.args.finish()
        return Answer(
            pack(
                {
                    **_told_rights(call.rights),
                    "node": self._identity.node,
                    "epoch": self._identity.epoch,
                    "zinfo": __version__,
                    "versions": [VERSION],
                    "bus": self._bus_endpoints(call.rights),
                    "heartbeat": self._heartbeat,
                    "ops": self.names,
                    "limits": {
                        "max_request_bytes": self._limits.max_request_bytes,
                        "max_reply_bytes": self._limits.max_reply_bytes,
                        "refresh_floor": self._limits.min_refresh_interval,
                        "max_ids": MAX_IDS,
                        "max_keys": MAX_KEYS,
                        "max_sections": MAX_SECTIONS,
                        "max_topics": MAX_TOPICS,
                        "max_labels": MAX_LABELS,
                        "max_containers": MAX_CONTAINERS,
                    },
                }
            )
        )

    def _recent_events(self, call: _Call) -> Answer:
        args, rights = call.args, call.rights
        since, ids = args.count("since"), frozenset(args.ids("ids"))
        limit, cursor = args.count("limit"), args.text("cursor")
        args.finish()
        if cursor is not None:
            if not (cursor.isascii() and cursor.isdigit() and len(cursor) <= _MOST_DIGITS):
                raise BadRequestError("cursor is not one of this query")
            since = max(since, int(cursor))
        _require_seen(call, ids)
        oldest, newest = self._events.oldest, self._events.newest
        blocks = (
            Block((pack(rights.visible_event(event)),), str(event.number))
            for event in _paced(self._events.since(since), call)
            if (not ids or event.shard in ids) and rights.can_see(event.shard)
        )
        answer = self._page(blocks, limit, call)
        return Answer(answer.body, {**answer.extra, "oldest": oldest, "newest": newest})

    def _report(self, call: _Call) -> Answer:
        call.args.finish()
        states: Counter[str] = Counter()
        bad_lines = 0
        for shard in _paced(self._publisher.get_live_shards(), call):
            states[shard.state.value] += 1
            bad_lines += shard.snapshot.bad_lines if shard.snapshot else 0
        values = self._stats.as_map()
        values["shards"] = dict(states)
        values["bad_lines"] = bad_lines
        values["events"] = self._events.newest
        values["callback_errors"] = self._publisher.callback_errors + self._events.callback_errors
        return Answer(pack(values))

    def _ping(self, call: _Call) -> Answer:
        call.args.finish()
        return Answer(pack(self._clock()))


def _hurry() -> None:
    """Give nobody a turn."""


def describe(shard: RedisShard) -> dict[str, object]:
    """Return what the `shards` operation says of a shard."""
    return {
        "id": shard.id,
        "labels": shard.labels,
        "state": shard.state.value,
        "reason": shard.reason,
        "role": shard.role,
        "version": shard.version,
        "run_id": shard.run_id,
        "interval": _interval(shard),
        "age": shard.info_age,
        "revision": shard.revision,
        "failures": shard.failures,
        "error": shard.last_error,
    }


def _interval(shard: RedisShard) -> float | None:
    try:
        return float(shard.polling_interval())
    except (Exception, gevent.Timeout):  # a subclass's own; the poller reports it
        return None


def _paced(items: Iterable[Item], call: _Call) -> Iterator[Item]:
    """Yield the items, and give other work its turn in between, also where none is wanted."""
    for item in items:
        call.yield_point()
        yield item


def _require_seen(call: _Call, shard_ids: Iterable[str]) -> None:
    if call.rights.shards is None:
        return
    for shard_id in _paced(shard_ids, call):
        if not call.rights.can_see(shard_id):
            raise NotAllowedError(f"this key may not see shard {redact_text(shard_id)[:80]}")


def _told_rights(rights: Rights) -> dict[str, object]:
    """Return what hello says of a client's rights: nothing where it may know of everything."""
    on_bus = rights.on_bus()
    if on_bus == UNLIMITED:
        return {}
    told: dict[str, object] = {
        "shards": rights.shards,
        "withheld": rights.hidden_fields,
        "operations": None if rights.operations is None else sorted(rights.operations),
        "kinds": on_bus.kinds if on_bus else (),
    }
    return {"rights": told}


def _has_topic(shard_id: str, wanted: PrefixSet[bytes]) -> bool:
    return any(wanted.matches(topic(kind, shard_id)) for kind in (KIND_INFO, KIND_DELTA))
