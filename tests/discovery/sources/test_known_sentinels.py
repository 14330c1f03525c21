"""Which Sentinels are asked: those of the configuration, and those learned from others."""

from __future__ import annotations

from zinfo.discovery.sources.known_sentinels import (
    FORGET_AFTER,
    MAX_LEARNED,
    KnownSentinel,
    KnownSentinels,
)
from zinfo.discovery.sources.sentinel_replies import Instance
from zinfo.discovery.sources.sentinel_views import SentinelView

SEED = "redis://s1.example.test:26379"


def run_id(number: int) -> str:
    return f"{number:040x}"


def instance(number: int, *, known: bool = True, host: str = "") -> Instance:
    return Instance("", host or f"10.0.0.{number}", 26379, run_id(number) if known else "")


def urls(sentinels: list[KnownSentinel]) -> list[str]:
    return [one.url for one in sentinels]


def replies(one: KnownSentinel, run_id: str = "", peer_host: str = "") -> None:
    one.replied, one.view = True, SentinelView({}, (), run_id, peer_host)


def test_a_sentinel_that_another_lists_is_asked() -> None:
    known = KnownSentinels([SEED, SEED])
    known.learn([instance(2), instance(3)], "rediss", 0.0)
    assert urls(known.to_ask()) == [SEED, "rediss://10.0.0.2:26379", "rediss://10.0.0.3:26379"]


def test_one_of_the_configuration_is_recognised_by_its_id_or_its_address() -> None:
    for named, address in (({"run_id": run_id(1)}, False), ({"peer_host": "10.0.0.1"}, True)):
        known = KnownSentinels([SEED])
        [seed] = known.to_ask()
        replies(seed, **named)
        known.learn([instance(1, known=not address)], "redis", 0.0)
        assert urls(known.to_ask()) == [SEED, "redis://10.0.0.1:26379"]
        assert urls(known.distinct()) == ["redis://10.0.0.1:26379"]
        replies(known.to_ask()[1])
        assert urls(known.to_ask()) == ["redis://10.0.0.1:26379"]
        known.to_ask()[0].replied = False  # perhaps it has moved: the name may lead to it
        assert urls(known.to_ask()) == [SEED, "redis://10.0.0.1:26379"]


def test_a_sentinel_that_moved_is_asked_at_its_new_address_only() -> None:
    known = KnownSentinels([SEED])
    known.learn([instance(2, known=False)], "redis", 0.0)
    known.learn([instance(2)], "redis", 0.0)
    known.learn([instance(2, host="10.0.9.9")], "redis", 0.0)
    assert urls(known.to_ask()) == [SEED, "redis://10.0.9.9:26379"]


def test_one_of_the_configuration_that_never_replied_may_be_among_the_others() -> None:
    known = KnownSentinels([SEED, "redis://10.0.0.2:26379"])
    assert known.distinct() == []
    assert not known.all_replied
    known.learn([instance(2)], "redis", 0.0)
    assert urls(known.distinct()) == ["redis://10.0.0.2:26379"]
    for one in known.to_ask():
        replies(one)
    assert known.all_replied
    assert urls(known.distinct()) == [SEED, "redis://10.0.0.2:26379"]
    known.learn([instance(3)], "redis", 0.0)
    assert not known.all_replied


def test_a_sentinel_that_nothing_was_seen_of_is_forgotten() -> None:
    known = KnownSentinels([SEED])
    known.learn([instance(2), instance(3)], "redis", 0.0)
    known.learn([instance(3)], "redis", 10.0)
    known.forget_old(FORGET_AFTER)
    assert len(known.to_ask()) == 3
    known.forget_old(FORGET_AFTER + 5)
    assert urls(known.to_ask()) == [SEED, "redis://10.0.0.3:26379"]


def test_not_more_than_a_bound_are_learned_and_only_at_addresses() -> None:
    known = KnownSentinels([SEED])
    bad = ["", "*", "0.0.0.0", "::", "user@evil", "a b", "\x1b[31m", "a/b", "-" * 300]
    known.learn([Instance("", one, 26379) for one in bad], "redis", 0.0)
    known.learn([Instance("", "10.0.0.1", port) for port in (0, 70000)], "redis", 0.0)
    assert urls(known.to_ask()) == [SEED]
    known.learn([instance(number) for number in range(1000)], "redis", 0.0)
    assert len(known.to_ask()) == 1 + MAX_LEARNED
