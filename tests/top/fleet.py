"""A made-up fleet of shards with long names: three clusters, primaries with replicas."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import NamedTuple

from tests.top.building import delta, status, whole
from tests.top.fake import INFO, FakeSource
from zinfo.client.updates import Info
from zinfo.wire.lifecycle import Event

CLUSTERS = (
    ("prod-ap-southeast-1-cache", "ap-southeast-1"),
    ("prod-eu-central-1-sessions", "eu-central-1"),
    ("prod-us-east-1-orders", "us-east-1"),
)
"""Names of the clusters, and their regions."""

MEBI = 1024 * 1024

ERRORS = {
    "refused": "connection refused",
    "timeout": "no reply to INFO within 2 s",
    "auth": "WRONGPASS invalid username-password pair or user is disabled.",
}
"""Why a shard is down, and what the daemon says of it."""

RUN_IDS = (f"{0x5EED:040x}", f"{0xC0FFEE:040x}")
"""Of a server before and after it was restarted."""

HAPPENED = (
    (4, "down", "refused", 2000.0),
    (7, "down", "timeout", 1500.0),
    (201, "down", "auth", 900.0),
    (120, "up", "", 400.0),
    (340, "restarted", "", 280.0),
    (260, "down", "refused", 240.0),
    (410, "down", "timeout", 65.0),
)
"""Events: number of the shard, type, reason and how many seconds ago."""


class Member(NamedTuple):
    """A shard of the fleet.

    Attributes:
        shard: its id.
        cluster: name of its cluster.
        region: of the cluster.
        number: of its primary within the cluster.
        replica: whether it is a replica of that one.
    """

    shard: str
    cluster: str
    region: str
    number: int
    replica: bool

    @property
    def primary(self) -> str:
        """Name of the host of its primary."""
        return _host(self.cluster, self.number, replica=False)


def _host(cluster: str, number: int, *, replica: bool) -> str:
    role = "-r" if replica else ""
    return f"{cluster}-{number:04}{role}.abcdef.cache.amazonaws.com"


def members(count: int) -> Iterator[Member]:
    """Yield the shards: of each cluster the primaries, each followed by its replica."""
    for at in range(count):
        cluster, region = CLUSTERS[at * len(CLUSTERS) // count]
        number, replica = divmod(at, 2)
        shard = f"{_host(cluster, number, replica=bool(replica))}:6379"
        yield Member(shard, cluster, region, number, bool(replica))


class FleetSource(FakeSource):
    """The fleet, of which some shards are down, loading, new, nearly full, or lag behind.

    Args:
        count: how many shards there are.
        info: the fields of each INFO, beside those that the fleet sets.
    """

    def __init__(self, count: int = 500, info: Info = INFO) -> None:
        super().__init__(0)
        self.members = list(members(count))
        self.step = 0
        self._counters: dict[str, dict[str, int]] = {}  # by shard: those that grow
        for at, one in enumerate(self.members):
            self.statuses[one.shard] = status(
                labels={"cluster": one.cluster, "site": one.region}, age=0.3
            )
            self.model.apply(
                whole(1, self.time, {**info, **self._fixed(at, one)}, shard=one.shard), self.time
            )
            if at < len(CLUSTERS):
                self.model.add_names(one.shard, INFO)
        self._revision = 1
        self._break_some()
        self.set_statuses()

    def _break_some(self) -> None:
        for at, reason in ((4, "refused"), (7, "timeout"), (201, "auth")):
            if at < len(self.members):
                self.set_down(self.members[at].shard, reason)
        for at, state in ((30, "loading"), (90, "busy")):
            if at < len(self.members):
                shard = self.members[at].shard
                self.statuses[shard] = self.statuses[shard]._replace(state=state)
        for at in range(len(self.members) - 1, len(self.members) - 3, -1):
            if at > 100:
                shard = self.members[at].shard
                self.statuses[shard] = self.statuses[shard]._replace(state="new", age=math.inf)

    def set_down(self, shard: str, reason: str, ago: float = 240.0) -> None:
        """Have a shard not answer any more, for some seconds."""
        self.statuses[shard] = self.statuses[shard]._replace(
            state="down", reason=reason, age=ago, error=ERRORS[reason], since=self.time - ago
        )

    def break_more(self) -> None:
        """Have some more happen, of which there are events with a wall clock time."""
        now = time.time()
        events: list[Event] = []
        for at, kind, reason, ago in HAPPENED:
            if at >= len(self.members):
                continue
            shard = self.members[at].shard
            if kind == "down":
                self.set_down(shard, reason, ago)
            else:
                self.statuses[shard] = self.statuses[shard]._replace(since=self.time - ago)
            message = ERRORS.get(reason, "")
            number = len(events) + 1
            old, new = {"down": ("up", "down"), "up": ("loading", "up")}.get(kind, RUN_IDS)
            events.append(Event(shard, kind, old, new, reason, message, number, 1, now - ago))
        self.model.add_events(events)
        self.set_statuses()

    def _fixed(self, at: int, one: Member) -> Info:
        fields: Info = {
            "run_id": f"{at:040x}",
            "instantaneous_ops_per_sec": 1500,
            "role": "slave" if one.replica else "master",
            "redis_version": "7.2.4" if one.region == "us-east-1" else "7.0.15",
            "master_replid": f"{one.cluster}-{one.number}",
            "maxmemory": 2048 * MEBI,
            "maxmemory_policy": "noeviction",
            "used_memory": (300 + (one.number * 67) % 1700) * MEBI,
            "connected_clients": 20 + (at * 13) % 400,
        }
        if one.replica:
            fields |= {
                "master_host": one.primary,
                "master_port": 6379,
                "master_link_status": "down" if at % 97 == 13 else "up",
                "master_last_io_seconds_ago": 57 if at == 61 else at % 3,
                "slave_repl_offset": 1000 + at,
            }
        else:
            fields["connected_slaves"] = 1
            host = _host(one.cluster, one.number, replica=True)
            fields["slave0"] = {"ip": host, "port": 6379, "state": "online", "lag": 0}
        return fields

    def poll_all(self) -> None:
        """Five seconds later every shard that answers has been polled, and is busy."""
        self.time += 5.0
        self.step += 1
        self._revision += 1
        for at, one in enumerate(self.members):
            if self.statuses[one.shard].state not in ("up", "loading"):
                continue
            wave = 1 + math.sin(self.step / 7 + at)
            ops = 0 if at % 41 == 5 else int(400 + 900 * wave + (at * 37) % 3000)
            used = (300 + (one.number * 67) % 1700) * MEBI + int(wave * 9 * MEBI) + self.step * 1000
            hits = 5 * ops * (0.99 - (at % 30) / 100 - wave / 40)
            changed: Info = {
                "instantaneous_ops_per_sec": ops,
                "used_memory": used,
                "connected_clients": 20 + (at * 13) % 400 + int(wave * 9),
                "evicted_keys": self.step * 30 if at % 111 == 20 else 0,
            }
            grown = {
                "total_commands_processed": 5 * ops,
                "keyspace_hits": int(hits),
                "keyspace_misses": 5 * ops - int(hits),
                "total_net_input_bytes": ops * 400,
                "total_net_output_bytes": ops * 2100,
            }
            counters = self._counters.setdefault(one.shard, dict.fromkeys(grown, 0))
            for name, growth in grown.items():
                counters[name] += growth
            changed |= counters
            self.model.apply(
                delta(self._revision, self.time, {**changed}, shard=one.shard), self.time
            )
        self.set_statuses()
