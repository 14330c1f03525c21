"""The views of several Sentinels are combined into one list."""

from __future__ import annotations

from zinfo.discovery.sources.sentinel_replies import Instance
from zinfo.discovery.sources.sentinel_views import (
    Group,
    MasterPatterns,
    MonitoredServer,
    SentinelView,
    combine,
)

ALL = MasterPatterns()


def view(name: str, primary: str, *replicas: str, epoch: int = 0) -> SentinelView:
    """A view of one primary; addresses are the last numbers of IP addresses."""
    found = [Instance("", host(one), 6379) for one in replicas]
    return SentinelView({name: Group(Instance(name, host(primary), 6379, "", epoch), found)})


def host(number: str) -> str:
    return number if "." in number else f"10.0.0.{number}"


def listed(
    *current: SentinelView, old: tuple[SentinelView, ...] = (), patterns: MasterPatterns = ALL
) -> list[tuple[str, str, str]]:
    """Cluster, address and primary of each server."""
    return [short(one) for one in combine(current, old, patterns, lambda: None)]


def short(one: MonitoredServer) -> tuple[str, str, str]:
    return one.cluster, one.address[0].rpartition(".")[2], one.primary[0].rpartition(".")[2]


def test_a_replica_that_one_sentinel_forgot_is_listed() -> None:
    assert listed(view("a", "1", "2", "3"), view("a", "1")) == [
        ("a", "1", "1"),
        ("a", "2", "1"),
        ("a", "3", "1"),
    ]


def test_the_last_failover_says_which_is_the_primary() -> None:
    stale = [view("a", "1", "2", "3", epoch=1)] * 2
    fresh = view("a", "2", "1", "3", epoch=2)
    assert {one[2] for one in listed(*stale, fresh)} == {"2"}


def test_of_the_same_epoch_most_views_say_which_is_the_primary() -> None:
    views = [view("a", "1", "2"), view("a", "9"), view("a", "9"), view("a", "9")]
    assert listed(*views) == [("a", "9", "9"), ("a", "1", "9"), ("a", "2", "9")]
    assert {one[2] for one in listed(view("a", "5"), view("a", "4"))} == {"4"}


def test_an_old_view_counts_for_primaries_that_no_other_has() -> None:
    old = SentinelView({**view("a", "1", "2", "8").groups, **view("b", "5", "6").groups})
    assert listed(view("a", "1", "2"), old=(old,)) == [
        ("a", "1", "1"),
        ("a", "2", "1"),
        ("b", "5", "5"),
        ("b", "6", "5"),
    ]


def test_the_order_is_that_of_the_patterns_and_then_of_the_names() -> None:
    patterns = MasterPatterns(("z*", "a"))
    views = [view("a", "1"), view("z2", "3"), view("z1", "2")]
    assert [one[0] for one in listed(*views, patterns=patterns)] == ["z1", "z2", "a"]
    assert [patterns.match(name) for name in ("z", "a", "b", "az")] == [True, True, False, False]


def test_names_of_hosts_are_compared_in_lower_case() -> None:
    assert len(listed(view("a", "Redis-0.example.test"), view("a", "redis-0.example.test"))) == 1
