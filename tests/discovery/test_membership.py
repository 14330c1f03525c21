"""When a shard that a source no longer lists is removed, and when it stays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from zinfo.discovery.guard import Guard
from zinfo.discovery.membership import Health, Membership

UP, DOWN, UNKNOWN = Health.ANSWERING, Health.DOWN, Health.UNKNOWN

GUARD = Guard(misses=2, hold=30.0, max_removed=0.5, release=900.0)


class Model:
    """A source's membership, with a clock and the health of each shard."""

    def __init__(self, count: int = 10, guard: Guard = GUARD, health: Health = UP) -> None:
        self.membership: Membership[str] = Membership(guard)
        self.now = 1000.0
        self.health: dict[str, Health] = {}
        self.everything = [f"s{number}" for number in range(count)]
        self.default = health
        self.read(self.everything)

    def health_of(self, shard_id: str) -> Health:
        return self.health.get(shard_id, self.default)

    def read(self, ids: Iterable[str] | None, *, after: float = 0.0, target: str = "t") -> set[str]:
        self.now += after
        answer = None if ids is None else dict.fromkeys(ids, target)
        return set(self.membership.read(answer, self.now, self.health_of))

    def evaluate(self, *, after: float = 0.0) -> set[str]:
        self.now += after
        return set(self.membership.evaluate(self.now, self.health_of))

    def accept(self) -> int:
        return self.membership.accept()

    @property
    def members(self) -> set[str]:
        return set(self.membership.members)

    def without(self, count: int) -> list[str]:
        return self.everything[count:]


def test_additions_and_changes_count_at_once() -> None:
    model = Model(2)
    assert model.members == {"s0", "s1"}
    assert model.read(["s0", "s1", "s2"]) == {"s2"}
    assert model.read(["s0", "s1", "s2"]) == set()
    assert model.read(["s0", "s1", "s2"], target="other") == {"s0", "s1", "s2"}
    assert model.membership.members == dict.fromkeys(["s0", "s1", "s2"], "other")


def test_a_shard_that_answers_is_removed_after_two_reads_and_the_hold() -> None:
    model = Model()
    assert model.read(model.without(1)) == set()
    assert model.membership.missing == 1
    assert model.evaluate(after=60.0) == set()  # one read only
    assert model.read(model.without(1)) == {"s0"}
    assert model.members == set(model.without(1))
    assert model.membership.missing == 0


def test_the_hold_counts_from_the_first_read_without_the_shard() -> None:
    model = Model()
    model.read(model.without(1))
    assert model.read(model.without(1), after=10.0) == set()
    assert model.evaluate(after=19.9) == set()
    assert model.evaluate(after=0.2) == {"s0"}


def test_an_unchanged_answer_is_a_read_without_the_shard() -> None:
    model = Model()
    model.health["s0"] = DOWN
    model.read(model.without(1))
    assert model.read(None) == {"s0"}


def test_a_shard_that_is_down_is_removed_after_two_reads_without_the_hold() -> None:
    model = Model()
    model.health["s0"] = DOWN
    assert model.read(model.without(1)) == set()
    assert model.read(model.without(1)) == {"s0"}


def test_a_missing_shard_that_goes_down_later_is_removed_between_two_reads() -> None:
    model = Model()
    model.read(model.without(1))
    model.read(model.without(1))
    model.health["s0"] = DOWN
    assert model.evaluate() == {"s0"}


def test_a_shard_that_was_never_polled_is_not_seen_down() -> None:
    model = Model(health=UNKNOWN)
    model.read([])
    assert model.read([]) == set()
    assert model.evaluate(after=30.0) == set(model.everything)  # and not held: it does not answer


def test_a_shard_that_is_listed_again_is_no_longer_missing() -> None:
    model = Model()
    model.read(model.without(1))
    model.read(model.everything, after=10.0)
    assert model.membership.missing == 0
    model.read(model.without(1), after=10.0)
    assert model.read(model.without(1), after=15.0) == set()
    assert model.evaluate(after=15.0) == {"s0"}


def test_an_incomplete_answer_only_adds_changes_and_finds_again() -> None:
    model = Model(3)
    model.read(["s0"])
    assert set(model.membership.add({"s1": "t", "s3": "t", "s0": "other"})) == {"s3", "s0"}
    assert model.membership.missing == 1
    assert model.members == {"s0", "s1", "s2", "s3"}


def test_exactly_half_is_not_held() -> None:
    model = Model()
    model.read(model.without(5))
    assert model.read(model.without(5), after=30.0) == set(model.everything[:5])


def test_more_than_half_of_the_answering_shards_are_held_until_the_release() -> None:
    model = Model()
    model.read(model.without(6))
    assert (model.membership.held, model.membership.answering) == (6, 10)
    assert model.read(model.without(6), after=30.0) == set()
    assert model.evaluate(after=869.0) == set()
    assert model.evaluate(after=1.0) == set(model.everything[:6])
    assert model.membership.held == 0


def test_a_release_waits_for_the_reads_without_the_shard() -> None:
    model = Model(guard=GUARD._replace(release=10.0))
    model.read([])
    assert model.evaluate(after=10.0) == set()
    assert model.read([], after=1.0) == set()  # held for long enough, but not missing for `hold`
    assert model.evaluate(after=19.0) == set(model.everything)


def test_shards_that_are_down_are_never_held_and_do_not_count() -> None:
    model = Model()
    model.health.update(dict.fromkeys(model.everything[:6], DOWN))
    model.read(model.without(7))  # six that are down, and one of four that answer
    assert model.membership.held == 0
    assert model.read(model.without(7), after=30.0) == set(model.everything[:7])


def test_only_the_answering_ones_of_many_missing_shards_are_held() -> None:
    model = Model()
    model.health["s0"] = DOWN
    model.read([])
    assert model.membership.held == 9
    assert model.read([]) == {"s0"}


def test_the_bound_is_judged_anew_at_each_read() -> None:
    model = Model()
    model.read(model.without(6))
    assert model.membership.held == 6
    model.read(model.without(5), after=30.0)
    assert model.membership.held == 0
    assert model.members == set(model.without(5))


def test_a_hold_that_ended_begins_anew() -> None:
    model = Model()
    model.read(model.without(6))
    model.read(model.everything, after=800.0)
    model.read(model.without(6))
    model.read(model.without(6), after=899.0)
    assert model.membership.held == 6
    assert model.evaluate(after=1.0) == set(model.everything[:6])


def test_shards_that_began_to_answer_since_the_read_are_held_by_the_timer() -> None:
    model = Model(health=UNKNOWN, guard=GUARD._replace(misses=1))
    model.read(model.without(6))
    assert model.membership.held == 0
    model.default = UP
    assert model.evaluate(after=30.0) == set()
    assert model.membership.held == 6
    assert model.evaluate(after=900.0) == set(model.everything[:6])


def test_accepted_shards_are_removed_at_once() -> None:
    model = Model()
    model.read(model.without(6))
    assert model.accept() == 6
    assert model.evaluate() == set(model.everything[:6])
    assert model.read(model.without(7), after=1.0) == set()  # it did not accept later answers
    assert model.membership.missing == 1


def test_accepting_an_answer_spares_a_shard_that_the_next_one_lists() -> None:
    model = Model()
    model.read([])
    model.accept()
    assert model.read(["s0"], after=1.0) == set(model.without(1))


def test_accepting_an_answer_does_not_accept_the_next_one() -> None:
    model = Model()
    model.read(model.without(6))
    model.accept()
    assert model.read(model.without(7), after=1.0) == set(model.everything[:6])
    assert model.membership.missing == 1


def test_a_hold_ends_at_a_read_only() -> None:
    model = Model(guard=GUARD._replace(misses=1))
    model.health["s6"] = UNKNOWN
    model.read(model.without(7))
    assert model.membership.held == 6
    model.health = dict.fromkeys(model.everything[:4], DOWN)
    assert model.evaluate(after=30.0) == {
        "s0",
        "s1",
        "s2",
        "s3",
        "s6",
    }  # s6: one of six that answer
    assert model.membership.held == 2
    assert model.read(None) == {"s4", "s5"}


def test_with_no_misses_and_no_hold_an_answer_is_followed_at_once() -> None:
    model = Model(guard=Guard(misses=0, hold=0.0, max_removed=1.0, release=0.0))
    assert model.read([]) == set(model.everything)


def test_the_bound_does_not_depend_on_rounding() -> None:
    model = Model(100, GUARD._replace(max_removed=0.29))
    model.read(model.without(29))
    assert model.membership.held == 0


def test_restored_shards_are_members_that_the_first_answer_must_confirm() -> None:
    membership: Membership[str] = Membership(GUARD)
    assert set(membership.restore({"a": "1", "b": "1"})) == {"a", "b"}
    assert list(membership.read({"b": "1", "c": "1"}, 0.0, lambda _: UP)) == ["c"]
    assert membership.missing == 1


@pytest.mark.parametrize("length", [10, 1000])
def test_work_can_yield_between_any_two_shards(length: int) -> None:
    pauses = Counter[str]()

    def pause() -> None:
        pauses["all"] += 1

    membership: Membership[str] = Membership(GUARD, pause)
    answer = {f"s{number}": "" for number in range(length)}
    for part in (answer, dict(answer), {}):
        pauses.clear()
        list(membership.read(part, 0.0, lambda _: UP))
        assert pauses["all"] >= length
    pauses.clear()
    list(membership.evaluate(0.0, lambda _: UP))
    assert pauses["all"] >= length


IDS = [f"s{number}" for number in range(6)]
STEPS = st.one_of(
    st.tuples(st.just("read"), st.sets(st.sampled_from(IDS))),
    st.tuples(st.just("unchanged"), st.just(set())),
    st.tuples(st.just("fail"), st.just(set())),
    st.tuples(st.just("up"), st.sets(st.sampled_from(IDS))),
    st.tuples(st.just("down"), st.sets(st.sampled_from(IDS))),
    st.tuples(st.just("accept"), st.just(set())),
    st.tuples(st.just("evaluate"), st.just(set())),
)
GUARDS = st.builds(
    Guard,
    misses=st.integers(0, 3),
    hold=st.sampled_from([0.0, 30.0]),
    max_removed=st.sampled_from([0.0, 0.3, 0.5, 1.0]),
    release=st.sampled_from([0.0, 100.0, 900.0]),
)


def test_shards_that_an_answer_adds_do_not_hide_how_many_it_lacks() -> None:
    model = Model(0, GUARD._replace(misses=0, hold=0.0))
    model.read({"a"})
    model.health.update(dict.fromkeys("abcd", UP))  # b, c and d are live by another source
    model.read({"b", "c", "d"})
    assert model.members == {"a", "b", "c", "d"}
    assert model.membership.held == 1
    model.read(None)
    assert model.members == {"b", "c", "d"}


class Witness:
    """What an outsider has seen of each shard since it was last listed."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.model = Model(0, guard)
        self.listed: set[str] = set()
        self.misses: Counter[str] = Counter()
        self.since: dict[str, float] = {}
        self.accepted: set[str] = set()

    def step(self, kind: str, ids: set[str]) -> None:
        model, before = self.model, self.model.members
        answering = {one for one in before if model.health_of(one) is UP}
        if kind == "up":
            model.health.update(dict.fromkeys(ids, UP))
        elif kind == "down":
            model.health.update(dict.fromkeys(ids, DOWN))
        elif kind == "accept":
            self.accepted |= before - self.listed
            assert model.accept() == len(before - self.listed)
        elif kind == "evaluate":
            model.evaluate()
        elif kind in ("read", "unchanged"):
            if kind == "read":
                self.listed = ids
            self._saw_read(before | self.listed)
            model.read(ids if kind == "read" else None)
        if kind in ("up", "down", "accept", "fail"):
            assert model.members == before
        self._check_removed(before - model.members, answering & before)
        held = [one for one in model.membership._missing.values() if one.held_since is not None]
        assert model.membership.held == len(held)

    def _saw_read(self, known: set[str]) -> None:
        for one in self.listed:
            self.misses.pop(one, None)
            self.since.pop(one, None)
            self.accepted.discard(one)
        for one in known - self.listed:
            self.misses[one] += 1
            self.since.setdefault(one, self.model.now)

    def _check_removed(self, removed: set[str], answering: set[str]) -> None:
        guard, now = self.guard, self.model.now
        assert not removed & self.listed
        assert self.listed <= self.model.members
        by_rule = removed - self.accepted
        for one in by_rule:
            assert self.misses[one] >= guard.misses
            held_back = now - self.since[one] < guard.hold
            assert not held_back or self.model.health_of(one) is DOWN
        at_once = {one for one in by_rule & answering if now - self.since[one] < guard.release}
        left = answering - (removed & self.accepted)
        assert len(at_once) <= guard.max_removed * len(left) + 1e-6
        for one in removed:
            self.misses.pop(one, None)
            self.since.pop(one, None)
            self.accepted.discard(one)


@settings(max_examples=examples(1000))
@given(
    guard=GUARDS,
    steps=st.lists(st.tuples(STEPS, st.sampled_from([0.0, 1.0, 29.0, 31.0, 450.0])), max_size=30),
)
def test_no_answering_shard_goes_early_and_a_stable_answer_is_followed_in_the_end(
    guard: Guard, steps: list[tuple[tuple[str, set[str]], float]]
) -> None:
    witness = Witness(guard)
    for (kind, ids), after in steps:
        witness.model.now += after
        witness.step(kind, ids)
    for _ in range(guard.misses + 3):
        witness.model.now += max(guard.hold, guard.release)
        witness.step("unchanged", set())
    assert witness.model.members == witness.listed
    assert witness.model.membership.missing == witness.model.membership.held == 0
