"""What counts as a problem of a shard or of zinfo: conditions and thresholds as data. Pure.

The thresholds are here and in the alert rules of deploy/prometheus/zinfo.rules.yml, which a test
compares. A view shows a problem at once, from the newest INFO; an alert waits until it has lasted,
and computes rates over some minutes.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from zinfo.views.filtering import Filter
from zinfo.views.quantities import quantity
from zinfo.wire.lifecycle import (
    FAULT,
    SATURATED,
    SHORT_OF_FILES,
    SOURCE_FAILED,
    SOURCE_HELD,
    SOURCE_RECOVERED,
)

CRITICAL = "critical"
WARNING = "warning"
INFO = "info"

SEVERITIES = (CRITICAL, WARNING, INFO)
"""The severities, worst first, as the alert rules have them."""

_PLACE = re.compile(r"\{([^{}]+)\}")

_FULL = 90  # percent of maxmemory
_REJECTED, _REJECTED_MINUTES = 10, 5
_FORK = 0.5  # seconds
_LOW_HITS, _ENOUGH_READS = 50, 10  # percent; reads per second
_LAG = 20  # seconds; a primary sends at least every 10 (repl-ping-replica-period)
_EVICTED = 1  # keys per second
_LOADING = 10  # minutes


class Check(NamedTuple):
    """A problem that a shard can have.

    Attributes:
        name: identifies it.
        severity: one of `SEVERITIES`.
        title: what is wrong, in a few words.
        condition: a filter that matches shards with the problem.
        detail: a text in which `{QUANTITY}` stands for the value of a quantity.
        rule: the alert rule for the same problem.
        rule_text: what the expression of that rule has in it, with its threshold.
        action: what to do.
        since: the quantity that says for how long, in seconds; "" where that is unknown.
        answers: whether only a shard that answers INFO can have it.
    """

    name: str
    severity: str
    title: str
    condition: str
    detail: str
    rule: str
    rule_text: str
    action: str
    since: str = ""
    answers: bool = True

    @property
    def fields(self) -> frozenset[str]:
        """The fields of INFO that condition, detail and time are computed from."""
        names = [*_PLACE.findall(self.detail), *([self.since] if self.since else [])]
        return Filter(self.condition).fields.union(*(quantity(name).fields for name in names))


CHECKS = (
    Check(
        "down", CRITICAL, "down", "state=down", "{error}", "RedisDown", "redis_up) == 0",
        "refused: no server listens there. timeout: stopped, overloaded or unreachable. auth, "
        "noperm: check the password and the ACL of zinfo's user.",
        since="since", answers=False,
    ),
    Check(
        "busy", CRITICAL, "busy in a script", "state=busy", "it answers no client",
        "RedisDown", "redis_up) == 0",
        "SCRIPT KILL stops the script if it has not written.", since="since", answers=False,
    ),
    Check(
        "save_failed", CRITICAL, "could not save", "rdb_last_bgsave_status=err",
        "{rdb_changes_since_last_save} changes since the last save",
        "RedisSaveFailed", "redis_rdb_last_bgsave_status) == 0",
        "The server's log has the reason: a full disk, permissions, or no memory to fork.",
    ),
    Check(
        "aof_failed", CRITICAL, "cannot write its append-only file",
        "aof_last_write_status=err or aof_last_bgrewrite_status=err",
        "last write: {aof_last_write_status}, last rewrite: {aof_last_bgrewrite_status}",
        "RedisAofFailed", "redis_aof_last_write_status) == 0",
        "The server's log has the reason: a full disk, permissions, or no memory to fork.",
    ),
    Check(
        "rejects", CRITICAL, "rejects connections",
        f"rejected>{_REJECTED / (_REJECTED_MINUTES * 60):.4f}",
        "{rejected} per second; {clients} of {maxclients} clients",
        "RedisConnectionsRejected", f"[{_REJECTED_MINUTES}m])) > {_REJECTED}",
        "CLIENT LIST shows the clients; the usual cause is a client without a connection pool. "
        "Raise maxclients, or set timeout.",
    ),
    Check(
        "link_down", WARNING, "link to the primary is down", "link=down role=replica",
        "primary {master_host}:{master_port}", "RedisReplicaLinkDown", "redis_master_link_up) == 0",
        "Check whether the primary is up and reachable from the replica; the replica's log has the "
        "reason.",
        since="master_link_down_since_seconds",
    ),
    Check(
        "lagging", WARNING, "lags behind its primary", f"lag>{_LAG}s link=up role=replica",
        "heard nothing for {lag} from {master_host}:{master_port}", "RedisReplicaLagging",
        f"redis_master_last_io_seconds_ago) > {_LAG}",
        "Check the network between the two, and whether the primary or the replica is blocked by a "
        "slow command, a fork or swapping.",
    ),
    Check(
        "full", WARNING, "memory is nearly full", f"full>{_FULL}% !maxmemory_policy=allkeys-*",
        "{full} of {maxmemory} in use, policy {maxmemory_policy}", "RedisMemoryHigh",
        f"> {_FULL / 100}",
        "Raise maxmemory, delete or expire keys, or choose a policy that evicts any key.",
    ),
    Check(
        "loading", WARNING, "loads its data set for long", f"state=loading since>{_LOADING}m",
        "its clients get errors", "RedisLoading", 'state="loading"}) == 1',
        "INFO persistence shows how much is loaded. A large data set takes long; otherwise check "
        "the disk.",
        since="since",
    ),
    Check(
        "fork", WARNING, "blocked while it forks", f"fork>{_FORK * 1000:.0f}ms",
        "the latest fork took {fork}", "RedisForkSlow", f"> {_FORK}",
        "The time grows with the memory in use. Save less often or on a replica only, or divide "
        "the data among smaller instances.",
    ),
    Check(
        "hits_low", INFO, "hit ratio is low", f"hits<{_LOW_HITS}% reads>{_ENOUGH_READS}",
        "{hits} of {reads} reads per second found their key", "RedisHitRatioLow",
        f"< {_LOW_HITS / 100}",
        "There may be too little memory, or times to live may be too short. After a restart the "
        "cache may be cold.",
    ),
    Check(
        "evicts", INFO, "evicts keys", f"evicted>{_EVICTED}",
        "{evicted} per second, policy {maxmemory_policy}, {full} of {maxmemory} in use",
        "RedisEvicting", f"[10m])) > {_EVICTED}",
        "Usual for a cache that is always full. Otherwise raise maxmemory, or shorten times to "
        "live.",
    ),
)  # fmt: skip
"""All problems of shards; of the same severity the more urgent one comes first."""


class DaemonCheck(NamedTuple):
    """A problem that zinfo itself can have, known from an event without a shard.

    Attributes:
        name: type of the event.
        severity: one of `SEVERITIES`.
        title: what is wrong, in a few words.
        rule: the alert rule for the same problem.
        action: what to do.
        ended_by: type of the event that ends it; where it is the same type, `new` is "no" then.
        seconds: age of the event from which on it no longer counts; 0 for until it is ended.
    """

    name: str
    severity: str
    title: str
    rule: str
    action: str
    ended_by: str = ""
    seconds: float = 0.0


DAEMON_CHECKS = (
    DaemonCheck(
        SHORT_OF_FILES, CRITICAL, "zinfo is short of file descriptors", "ZinfoShortOfFiles",
        "Raise the hard limit: each shard and each client needs one.", ended_by=SHORT_OF_FILES,
    ),
    DaemonCheck(
        SATURATED, WARNING, "zinfo is saturated: intervals are longer than intended",
        "ZinfoSaturated",
        "Raise the intervals of [poll], or divide the shards between two daemons.",
        ended_by=SATURATED,
    ),
    DaemonCheck(
        SOURCE_FAILED, WARNING, "a source of shards cannot be read", "ZinfoSourceFailed",
        "`zinfo sources` shows the error. Shards that it listed are still polled.",
        ended_by=SOURCE_RECOVERED,
    ),
    DaemonCheck(
        SOURCE_HELD, WARNING, "a source no longer lists servers that reply", "ZinfoSourceHeld",
        "Check the source; `zinfo sources accept NAME` removes the servers.", seconds=3600,
    ),
    DaemonCheck(
        FAULT, WARNING, "internal error of zinfo", "ZinfoFault",
        "Report the traceback in the log.", seconds=600,
    ),
)  # fmt: skip
"""All problems of zinfo itself."""

DETAIL_PLACES = _PLACE
"""Matches a `{QUANTITY}` in a detail."""
