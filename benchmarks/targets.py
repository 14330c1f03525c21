"""The targets for cost and behaviour of zinfo: the lines of the table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Target:
    """One line of the table.

    Attributes:
        number: As in the table of the README: a number for a ratio of costs, a letter for absolute
            figures of behaviour.
        measure: What is measured, in words.
        bound: The limit that the figure must meet.
        at_least: Whether the bound is a minimum, rather than a maximum.
        unit: Unit of figure and bound; empty for a ratio.
    """

    number: str
    measure: str
    bound: float
    at_least: bool = False
    unit: str = ""

    @property
    def ratio(self) -> bool:
        """Whether it compares two processes of one run, which hardly depends on the machine."""
        return not self.unit

    def met_by(self, value: float) -> bool:
        """Return whether a figure meets the bound."""
        return value >= self.bound if self.at_least else value <= self.bound

    def worse(self, value: float, than: float) -> float:
        """Return the factor by which a figure is worse than another; below 1 if it is better."""
        return than / value if self.at_least else value / than


INTERFERENCE = {
    "frames": "a message of 3 million frames to the query endpoint",
    "frames-curve": "a message of 500,000 frames under CURVE",
    "frames-bus": "a message of 300,000 frames to the bus",
    "bus-messages": "a flood of subscribers' own messages",
    "bus-topics": "a flood of subscriptions",
    "pings": "a flood of pings whose replies are not read",
    "connects": "connections to all sockets, one after the other",
    "handshakes": "CURVE handshakes, half of them refused",
    "prefixes": "get_infos of four shards with 32,000 prefixes",
    "prefixes-20": "... 20 of them in flight",
    "topics": "snapshot with 32,000 topics that match nothing",
    "topics-20": "... 20 of them in flight",
    "keys": "get_infos of all shards with 10,000 keys",
    "sections": "... with 10,000 sections",
    "ids": "... of 16,000 shards that do not exist",
    "labels": "... with 8,000 labels",
    "label-20": "... with one label that no shard has, 20 in flight",
    "age-20": "... with a maximum age that none exceeds, 20 in flight",
    "shards-20": "shards with one label that none has, 20 in flight",
    "stats-20": "stats, 20 in flight",
    "refresh": "get_infos of all shards, refreshed",
    "infos": "get_infos of all fields of all shards",
    "snapshot": "snapshot of all shards",
    "infos-20": "get_infos of all shards, 20 in flight",
    "columns-20": "get_columns of 64 fields, of all kinds and of none, 20 in flight",
    "fields": "a shard whose INFO has 1.6 million lines",
    "fields-most": "a shard whose INFO has the maximum number of lines",
    "http-heads": "256 HTTP connections with heads that do not end",
    "http-large": "256 HTTP connections with heads of 6 MB",
    "scrape": "/metrics of all shards",
    "json": "JSON of all shards by HTTP",
    "reload-same": "SIGHUP, 5,000 shards: nothing changed",
    "reload-labels": "... only labels changed",
    "reload-all": "... all shards replaced",
    "reload-broken": "... all shards invalid",
    "reload-large": "SIGHUP with a file of 8 MB",
}
"""The loads of `interference` by name, each of which may delay other clients."""

LARGE_MESSAGES = ("frames", "frames-curve", "frames-bus")
"""The loads of one message, which libzmq delivers as a whole: the ping has a bound of its own."""

_OVER_QUIET = 50  # largest additional delay of other clients, in ms
_PER_MILLION = 150  # largest additional delay of a ping, in ms for a million frames of one message


def _slices() -> Iterator[Target]:
    for letter, copies, factor in (("k", "1 copy", 1), ("l", "2 copies", 2)):
        what = f"a slice of ten of 100,000 targets, {copies}"
        yield Target(f"{letter}1", f"{what}: until all are up", 30 * factor, unit="s")
        yield Target(f"{letter}2", "... CPU a poll, 10,000 polls/s", 100, unit="us")
        yield Target(f"{letter}3", "... lateness: p99", 100, unit="ms")
        yield Target(f"{letter}4", "... memory of the daemon", 400 * factor, unit="MB")
        yield Target(f"{letter}5", "... scrape, compressed", 3 * factor, unit="s")
        yield Target(f"{letter}6", "... most polls of one core", 10_000, at_least=True, unit="/s")
        yield Target(f"{letter}7", "... CPU a poll, a subscriber to all batches", 200, unit="us")


def _interference() -> Iterator[Target]:
    for name, what in INTERFERENCE.items():
        if name in LARGE_MESSAGES:
            yield Target(f"ping {name}", f"{what}: ping", _PER_MILLION, unit="ms a million")
            yield Target(name, "... latest poll or heartbeat", _OVER_QUIET, unit="ms")
        else:
            yield Target(name, what, _OVER_QUIET, unit="ms")


TARGETS = {
    target.number: target
    for target in (
        Target("1", "CPU a poll, no subscriber / plain poller", 0.07),
        Target("2", "CPU a poll, one subscriber to all deltas / plain poller", 0.22),
        Target("2b", "CPU a poll, one Mirror of everything / plain poller", 0.10),
        Target("3", "CPU a poll, one subscriber to all snapshots / plain poller", 0.30),
        Target("4", "CPU a poll, no subscriber / bare read", 0.7),
        Target("5", "queries/s for one shard, one by one / bare router", 0.75, at_least=True),
        Target("6", "queries/s for one shard, 64 in flight / bare router", 0.5, at_least=True),
        Target("7", "time for all shards, decoded / plain server", 1 / 30),
        Target("8", "time for one field of all shards / plain server", 1 / 30),
        Target("8b", "time for one field of all shards by column / plain server", 0.005),
        Target("8c", "five fields of 10,000 shards by column, decoded", 20, unit="ms"),
        Target("9", "snapshots/s to 4 subscribers / bare pub", 0.6, at_least=True),
        Target("10", "CPU a shard refreshed and delivered / redis_exporter", 1 / 15),
        Target("11", "memory a shard after many polls, no history / plain poller", 0.15),
        Target("11b", "... with the history of shards", 0.23),
        Target("11c", "... memory of the history alone", 6, unit="KB"),
        Target("12", "CPU a poll, many shards / few shards", 2.0),
        Target("13", "CPU a poll, one a second, with a history / without", 1.08),
        Target("a1", "lateness of polls, each shard every 1 s: p99", 100, unit="ms"),
        Target("a2", "... maximum", 1000, unit="ms"),
        Target("b1", "lateness, every 3 s, a subscriber to all deltas: p99", 100, unit="ms"),
        Target("b2", "... maximum", 1000, unit="ms"),
        Target("c", "poll to subscriber, 1,000 shards: p99", 5, unit="ms"),
        Target("d1", "500 queries/s during a: p99", 10, unit="ms"),
        Target("d2", "500 queries/s during b: p99", 10, unit="ms"),
        Target("d3", "500 queries/s during c: p99", 10, unit="ms"),
        Target("e", "latest poll during queries for all shards", 100, unit="ms"),
        Target("f1", "start of all shards", 20, unit="s"),
        Target("f2", "... most connections being made", 128, unit="connections"),
        Target("g1", "overload: fewest polls of a shard / mean", 0.5, at_least=True),
        Target("g2", "... latest heartbeat", 100, unit="ms"),
        Target("g3", "... 50 queries/s: p99", 100, unit="ms"),
        Target("g4", "... reported in stats, event, log", 3, at_least=True, unit="of 3"),
        Target("h1", "scrape of 1,000 shards, compressed: maximum", 1, unit="s"),
        Target("h2", "... latest poll meanwhile", 100, unit="ms"),
        Target("h3", "CPU a shard of a compressed scrape / redis_exporter", 0.03),
        Target("h4", "... not compressed", 0.01),
        Target("h5", "scrape of 10,000 shards, compressed: maximum", 3, unit="s"),
        Target("h6", "... latest poll meanwhile", 100, unit="ms"),
        Target("m1", "CPU of a Mirror a delta, no listener / plain poller's poll", 0.012),
        Target("m2", "... a listener to one field of each shard", 0.025),
        Target(
            "m3", "deltas that one Mirror follows without a gap", 20_000, at_least=True, unit="/s"
        ),
        Target("m4", "memory of a Mirror of 10,000 shards", 25, unit="KB a shard"),
        Target("w1", "top --web of 1,000 shards: CPU, no browser", 0.5, unit="% of a core"),
        Target("w2", "... one browser", 10, unit="% of a core"),
        Target("v1", "page of 5,000 shards in a browser: sort until painted", 100, unit="ms"),
        Target("v2", "... scroll until painted", 100, unit="ms"),
        Target("v3", "... longest task when all shards have changed", 100, unit="ms"),
        Target("t1", "top of 5,000 shards, key to screen: cursor", 100, unit="ms"),
        Target("t2", "... a page", 100, unit="ms"),
        Target("t3", "... sort", 100, unit="ms"),
        Target("t4", "... fold and unfold 2,500 groups", 100, unit="ms"),
        *_interference(),
        Target("s1", "10,000 targets in a file, 5,000 replaced: latest poll", 100, unit="ms"),
        Target("s2", "... latest heartbeat", 100, unit="ms"),
        Target("s3", "... until all new shards are up", 15, unit="s"),
        Target("s4", "101,000 targets read again, unchanged: longest iteration", 10, unit="ms"),
        Target("s5", "... latest poll of 1,000 shards", 100, unit="ms"),
        Target("s6", "... 1,000 changed: longest iteration", 10, unit="ms"),
        Target("s7", "... latest poll", 100, unit="ms"),
        Target("s8", "... CPU to look at the unchanged file, at rest", 0.1, unit="% of a core"),
        Target("s9", "... peak memory of the daemon", 250, unit="MB"),
        *_slices(),
    )
}
