"""A daemon without sockets, servers and clock, which follows docs/reference/protocol.md.

Tests change it, and it stores every INFO and state that it ever had, so that a copy can be compared
with the original of the same revision.
"""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from math import inf
from typing import cast

from tests.client.column_pages import page_of
from zinfo.client.updates import Info
from zinfo.errors import ChangedError, RequestError, UnknownOpError, UnknownShardError
from zinfo.wire.bus_messages import (
    BATCH_TOPIC,
    KIND_DELTA,
    KIND_EVENT,
    KIND_HEARTBEAT,
    KIND_INFO,
    fields_of_topic,
    pack_batch,
    topic,
)
from zinfo.wire.codec import VERSION, pack
from zinfo.wire.query_messages import decode_request, encode_error, encode_reply

Frames = list[bytes]
Operation = Callable[[dict[str, object]], tuple[object, dict[str, object]]]


@dataclass
class ModelShard:
    """One shard of the daemon."""

    start: int  # its first revision is this + 1
    revision: int = 0
    state: str = "new"
    reason: str = ""
    info: Info | None = None
    time: float = 0.0
    labels: dict[str, str] = field(default_factory=dict)
    since: float = 0.0
    error: str = ""


class ModelDaemon:
    """One start of a daemon.

    Args:
        epoch: of this start.
        publish: takes the frames of every bus message.
        clock: the wall clock.
        bus: endpoint in the reply to hello.
        page_size: entries to a page.
        fence_totals: whether a fence carries the totals of a heartbeat.
        kinds: of topics that it offers beside the single messages: "batch", "fields"; None for a
            daemon that is older than these.

    Attributes:
        strict: whether a request that names an unknown shard is refused.
        partial: whether it says that it hides something from this client.
        holding: whether deltas stay in a batch until another message, or `flush`.
        refused_topics: those that a fence lists as refused.
        without: operations that it does not have, as it is older than they are.
        waiting: number of sources of shards that it has not read; 0 is not sent.
        slice: what its reply to hello has as `slice`; `...` for a daemon that is older than slices.
    """

    node = "model"
    interval = 1.0

    def __init__(
        self,
        epoch: int,
        publish: Callable[[Frames], object],
        clock: Callable[[], float],
        *,
        bus: str = "inproc://bus",
        page_size: int = 2,
        fence_totals: bool = False,
        kinds: Collection[str] | None = None,
    ) -> None:
        self.epoch = epoch
        self.publish = publish
        self.clock = clock
        self.bus = bus
        self.page_size = page_size
        self.fence_totals = fence_totals
        self.kinds = kinds
        self.strict = True
        self.partial = False
        self.holding = False
        self.refused_topics: list[str] = []
        self.slice: object = ...
        self.without: set[str] = set()
        self.histories: dict[str, list[float]] = {}  # of `memory`, where it is not 1, 2, 3
        self.waiting = 0
        self.batch: list[tuple[bytes, bytes, dict[str, object]]] = []
        self.fields: set[bytes] = set()  # topics of fields that were subscribed
        self.batch_seqs: dict[bytes, int] = {}
        self.shards: dict[str, ModelShard] = {}
        self.seqs: dict[str, int] = {}
        self.events: list[dict[str, object]] = []
        self.revisions = 0
        self.beats = 0
        self.floor = 0  # a shard that is added again starts above this revision
        self.infos: dict[tuple[str, int], Info | None] = {}
        self.states: dict[tuple[str, int], tuple[str, str, dict[str, str]]] = {}
        self.refusal: RequestError | None = None  # the reply to the next request

    # --- shards

    def add(self, shard: str, **labels: str) -> None:
        self.shards[shard] = ModelShard(self.floor, labels=labels, since=self.clock())
        self.infos[shard, 0] = None
        self._event(shard, "added", None, "new", labels=labels)

    def remove(self, shard: str) -> None:
        former = self.shards.pop(shard)
        self.floor = max(self.floor, former.revision + 1, self.seqs[shard] + 2)
        self._event(shard, "removed", former.state, None)
        del self.seqs[shard]

    def poll(
        self, shard: str, changes: Mapping[str, object] | None = None, *, whole: bool = False
    ) -> None:
        """The shard replied to INFO; fields that are None in `changes` are removed."""
        held = self.shards[shard]
        base, before = held.revision, held.info
        merged = {**(before or {}), **(changes or {}), "uptime_in_seconds": self.revisions + 1}
        after = cast("Info", {key: value for key, value in merged.items() if value is not None})
        held.revision = (base or held.start) + 1
        held.info, held.time = after, self.clock()
        self.revisions += 1
        self.infos[shard, held.revision] = copy.deepcopy(after)
        if before is None or whole:
            base, before = 0, {}
        delta = {
            "set": {name: value for name, value in after.items() if before.get(name) != value},
            "unset": [name for name in before if name not in after],
            "base": base,
        }
        self._send(KIND_DELTA, shard, held.revision, delta)
        self._send(KIND_INFO, shard, held.revision, after)
        if held.state != "up":
            self.enter(shard, "up")

    def enter(self, shard: str, state: str, reason: str = "", error: str = "") -> None:
        """The shard's state changed."""
        held = self.shards[shard]
        old, held.state, held.reason = held.state, state, reason
        held.since, held.error = self.clock(), error
        self._event(shard, state, old, state, reason)

    def happen(self, shard: str, type_: str) -> None:
        """Publish an event that does not change the state."""
        self._event(shard, type_, "a", "b")

    def relabel(self, shard: str, *, sent: bool = True, **labels: str) -> None:
        """The shard has other labels; `sent` is whether the event has them."""
        self.shards[shard].labels = labels
        self._event(shard, "labels_changed", None, None, labels=labels if sent else None)

    def _event(
        self,
        shard: str,
        type_: str,
        old: str | None,
        new: str | None,
        reason: str = "",
        labels: dict[str, str] | None = None,
    ) -> None:
        seq = self.seqs.get(shard, self.floor) + 1
        self.seqs[shard] = seq
        if shard in self.shards:
            held = self.shards[shard]
            self.states[shard, seq] = (held.state, held.reason, held.labels)
        event: dict[str, object] = {
            "shard": shard,
            "type": type_,
            "old": old,
            "new": new,
            "reason": reason,
            "message": "",
            "number": len(self.events) + 1,
            "seq": seq,
            "time": self.clock(),
        }
        if labels is not None:
            event["labels"] = labels
        self.events.append(event)
        self._send(KIND_EVENT, shard, seq, event)

    # --- bus

    def totals(self) -> dict[str, object]:
        return {
            "interval": self.interval,
            "shards": len(self.shards),
            "events": len(self.events),
            "revisions": self.revisions,
            "query": "",
            "bus": self.bus,
            "lag": 0.0,
        }

    def beat(self, **wrong: object) -> None:
        """Publish a heartbeat; `wrong` replaces some of its totals."""
        self.beats += 1
        self._send(KIND_HEARTBEAT, self.node, self.beats, {**self.totals(), **wrong})

    def fence(self, nonce_topic: bytes) -> None:
        """Publish the fence, as a client has subscribed to it."""
        self.flush()
        totals = self.totals() if self.fence_totals else {}
        refused = {"refused": self.refused_topics} if self.refused_topics else {}
        body = pack({**totals, **refused}) if totals or refused else b""
        self.publish([nonce_topic, self._header(0), body])

    def flush(self) -> None:
        """Publish the deltas since the last batch as batches."""
        batch, self.batch = self.batch, []
        for topic_ in (BATCH_TOPIC, *sorted(self.fields)) if batch else ():
            seq = self.batch_seqs[topic_] = self.batch_seqs.get(topic_, 0) + 1
            names = fields_of_topic(topic_)
            deltas = [(name, head, pack(_narrowed(body, names))) for name, head, body in batch]
            self.publish([topic_, self._header(seq), pack_batch(deltas)])

    def _header(self, seq: int) -> bytes:
        return pack([VERSION, self.node, self.epoch, seq, self.clock()])

    def _send(self, kind: str, name: str, seq: int, body: object) -> None:
        if kind == KIND_DELTA:
            assert isinstance(body, dict)
            self.batch.append((topic(kind, name), self._header(seq), body))
        if kind != KIND_INFO and (kind != KIND_DELTA or not self.holding):
            self.flush()
        self.publish([topic(kind, name), self._header(seq), pack(body)])

    # --- queries

    def answer(self, frames: Frames) -> Frames:
        """Return the reply to a request; both without an envelope."""
        request = decode_request(frames)
        operations: dict[str, Operation] = {
            "hello": self._hello,
            "snapshot": self._snapshot,
            "ping": lambda _: (self.clock(), {}),
            "events": self._events,
            "get_infos": self._get_infos,
            "get_columns": self._get_columns,
            "history": self._history,
            "shards": self._shards,
            "stats": lambda _: ({"revisions": self.revisions}, {}),
            "sources": lambda _: ([{"name": "cmdb", "type": "http"}], {}),
            "accept_source": lambda args: (len(str(args["name"])), {}),
        }
        try:
            if self.refusal is not None:
                refusal, self.refusal = self.refusal, None
                raise refusal
            if request.op not in operations or request.op in self.without:
                raise UnknownOpError(f"no operation {request.op}")
            body, extra = operations[request.op](request.args)
        except RequestError as error:
            return encode_error(request.id, self.node, self.epoch, error)
        return [*encode_reply(request.id, self.node, self.epoch, extra), pack(body)]

    def _hello(self, args: dict[str, object]) -> tuple[object, dict[str, object]]:
        return {
            "node": self.node,
            "epoch": self.epoch,
            "versions": [VERSION],
            "bus": [self.bus],
            "ops": [],
            "limits": {},
            "heartbeat": self.interval,
            "zinfo": "0",
            **({"rights": {"shards": None}} if self.partial else {}),
            **({"waiting": self.waiting} if self.waiting else {}),
            **({} if self.slice is ... else {"slice": self.slice}),
            **({} if self.kinds is None else {"kinds": ["info", "delta", "event", *self.kinds]}),
        }, {}

    def _snapshot(self, args: dict[str, object]) -> tuple[object, dict[str, object]]:
        ids = args.get("ids")
        labels = cast("dict[str, str]", args.get("labels") or {})
        requested = sorted(ids) if isinstance(ids, list) and ids else sorted(self.shards)
        unknown = [shard for shard in requested if shard not in self.shards]
        if unknown and self.strict:
            raise UnknownShardError(f"shard {unknown[0]} not found")
        known = [shard for shard in requested if shard in self.shards]
        wanted = [s for s in known if labels.items() <= self.shards[s].labels.items()]
        page, extra = self._page(wanted, args)
        entries = [self._entry(shard) for shard in page]
        if keys := cast("list[str]", args.get("keys")):
            assert self.kinds is not None
            assert "fields" in self.kinds
            for entry in entries:
                info = cast("dict[str, object] | None", entry["info"])
                entry["info"] = info and {name: info[name] for name in info if name in keys}
        return entries, {**extra, "number": len(self.events)}

    def _page(self, ids: list[str], args: dict[str, object]) -> tuple[list[str], dict[str, object]]:
        cursor = args.get("cursor")
        rest = [shard for shard in ids if cursor is None or shard > str(cursor)]
        page = rest[: self.page_size]
        return page, {"cursor": page[-1]} if len(rest) > len(page) else {}

    def _entry(self, shard: str) -> dict[str, object]:
        held = self.shards[shard]
        return {
            "shard": shard,
            "revision": held.revision,
            "time": held.time if held.info is not None else None,
            "age": self.clock() - held.time if held.info is not None else None,
            "info": held.info,
            "state": held.state,
            "reason": held.reason,
            "labels": held.labels,
            "interval": 1.0,
            "seq": self.seqs[shard],
            "since": held.since,
            "error": held.error,
        }

    def _get_infos(self, args: dict[str, object]) -> tuple[object, dict[str, object]]:
        requested = cast("list[str]", args.get("shard_ids") or [])
        polled = [shard for shard, held in self.shards.items() if held.info is not None]
        page, extra = self._page(sorted(requested or polled), args)
        keys = cast("list[str]", args.get("keys") or [])
        return [self._info_entry(shard, keys) for shard in page], extra

    def _info_entry(self, shard: str, keys: list[str]) -> dict[str, object]:
        held = self.shards.get(shard)
        if held is None or held.info is None:
            meta = {"shard_identifier": shard, "info_age": 1e38, "error": f"no info of {shard}"}
            return {"meta": meta if held is None else {**meta, "state": held.state}}
        age = self.clock() - held.time
        fields = {name: held.info[name] for name in held.info if not keys or name in keys}
        return {
            **fields,
            "meta": {"shard_identifier": shard, "info_age": age, "state": held.state},
        }

    def _shards(self, args: dict[str, object]) -> tuple[object, dict[str, object]]:
        ids = cast("list[str]", args.get("ids") or sorted(self.shards))
        for shard in ids:
            if shard not in self.shards:
                raise UnknownShardError(f"shard {shard} not found")
        return [
            {
                "id": shard,
                "age": self.clock() - held.time if held.info is not None else None,
                "state": held.state,
                "labels": held.labels,
            }
            for shard, held in ((shard, self.shards[shard]) for shard in ids)
        ], {}

    def _history(self, args: dict[str, object]) -> tuple[object, dict[str, object]]:
        requested = cast("list[str]", args.get("shard_ids") or sorted(self.shards))
        for shard in requested:
            if shard not in self.shards:
                raise UnknownShardError(f"shard {shard} not found")
        labels = cast("dict[str, str]", args.get("labels") or {})
        ids = [s for s in requested if labels.items() <= self.shards[s].labels.items()]
        page, extra = self._page(sorted(ids), args)
        values = [value for shard in page for value in self.histories.get(shard, [1.0, 2.0, 3.0])]
        known = {"memory": struct.pack(f"<{len(values)}f", *values), "lag": None}
        names = cast("list[str]", args.get("fields") or list(known))
        return {
            "step": 5.0,
            "newest": 1000.0,
            "points": 3,
            "ids": page,
            "fields": {name: known[name] for name in names},
        }, extra

    def _get_columns(self, args: dict[str, object]) -> tuple[object, dict[str, object]]:
        labels = cast("dict[str, str]", args.get("labels") or {})
        ids = sorted(s for s in self.shards if labels.items() <= self.shards[s].labels.items())
        moving = ("added", "removed", "labels_changed")
        revision = sum(event["type"] in moving for event in self.events)
        listed, _, position = str(args.get("cursor") or f"{revision}:0").partition(":")
        if int(listed) != revision:
            raise ChangedError("the id list has changed")
        first = int(position)
        page = ids[first : first + self.page_size]
        keys = cast("list[str]", args["keys"])
        entries = [self.shards[shard] for shard in page]
        body = page_of(
            {key: [(held.info or {}).get(key) for held in entries] for key in keys},
            ids=None if args.get("ids_revision") == revision else page,
            ids_revision=revision,
            total=len(ids),
            first=first,
            ages=[self.clock() - held.time if held.info is not None else inf for held in entries],
            states=[held.state for held in entries],
        )
        last = first + len(page)
        return body, {"cursor": f"{revision}:{last}"} if last < len(ids) else {}

    def _events(self, args: dict[str, object]) -> tuple[object, dict[str, object]]:
        since = args.get("since", 0)
        assert isinstance(since, int)
        return self.events[since:][-3:], {
            "oldest": max(1, len(self.events) - 2),
            "newest": len(self.events),
        }


def _narrowed(body: dict[str, object], names: tuple[str, ...] | None) -> dict[str, object]:
    """Return the body of a delta with some fields only; None for all."""
    if names is None:
        return body
    changed = cast("dict[str, object]", body["set"])
    return {
        "set": {name: value for name, value in changed.items() if name in names},
        "unset": [name for name in cast("list[str]", body["unset"]) if name in names],
        "base": body["base"],
    }
