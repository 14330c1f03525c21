"""Which source owns a shard that several of them list."""

from __future__ import annotations

from zinfo.discovery.claims import Claims


def test_the_first_source_that_has_a_shard_owns_it() -> None:
    first, second = {"a": 1}, {"a": 2, "b": 2}
    claims: Claims[str, int] = Claims()
    claims.set_order([("first", first), ("second", second)])
    assert claims.owner_of("a") == ("first", 1)
    assert claims.owner_of("b") == ("second", 2)
    assert claims.owner_of("c") is None


def test_the_next_source_takes_over_when_a_claim_ends() -> None:
    first, second = {"a": 1}, {"a": 2}
    claims: Claims[str, int] = Claims()
    claims.set_order([("first", first), ("second", second)])
    del first["a"]
    assert claims.owner_of("a") == ("second", 2)
    first["a"] = 3
    assert claims.owner_of("a") == ("first", 3)


def test_another_order_makes_another_owner() -> None:
    claims: Claims[str, int] = Claims()
    assert claims.set_order([("first", {"a": 1}), ("second", {"a": 2})])
    assert not claims.set_order([("first", {"a": 3}), ("second", {"a": 4})])
    assert claims.owner_of("a") == ("first", 3)
    assert claims.set_order([("second", {"a": 2}), ("first", {"a": 1})])
    assert claims.owner_of("a") == ("second", 2)
