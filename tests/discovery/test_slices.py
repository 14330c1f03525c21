"""A discovery with a slice keeps only the shards of that slice live."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import gevent
import msgpack
import pytest

from tests.discovery.scripted_source import URL, ScriptedSource, answer, spec
from tests.discovery.test_source_watcher import Own
from tests.waiting import wait_until
from zinfo import Guard, ShardPublisher, Target
from zinfo.discovery.answer_builder import AnswerBuilder
from zinfo.discovery.answer_file import CorruptAnswerError, decode, digest
from zinfo.discovery.discovery import Discovery
from zinfo.discovery.rules import TargetRules
from zinfo.discovery.source_entry import SourceEntry
from zinfo.discovery.stored_answers import StoredAnswers
from zinfo.discovery.target import Candidate
from zinfo.errors import SourceError
from zinfo.shards.shard import ShardState
from zinfo.shards.source_status import SourceStatus
from zinfo.wire.slices import SliceSpec

ONE_OF_THREE = SliceSpec(1, 3, 2)
ONE_OF_FOUR = SliceSpec(1, 4, 2)
AT_ONCE = Guard(misses=1, hold=0.0, max_removed=1.0)
BY_CLUSTER = SliceSpec(0, 3, by="cluster")
IDS = [f"s{number}" for number in range(30)]


def of(spec: SliceSpec, *ids: str) -> set[str]:
    return {one for one in ids or IDS if spec.includes(one, {})}


def cluster(*, mine: bool) -> str:
    """Return a value of the label `cluster` that is in `BY_CLUSTER`, or is not."""
    names = (f"c{number}" for number in range(100))
    return next(one for one in names if BY_CLUSTER.includes("", {"cluster": one}) is mine)


def discovery_of(
    publisher: ShardPublisher,
    slice_spec: SliceSpec | None,
    *sources: ScriptedSource,
    guard: Guard = AT_ONCE,
    stored: Path | None = None,
) -> Discovery:
    return Discovery(
        publisher,
        [SourceEntry(source, guard) for source in sources],
        stored=None if stored is None else StoredAnswers(stored),
        slice_spec=slice_spec,
    )


def wait_live(publisher: ShardPublisher, ids: set[str]) -> None:
    wait_until(
        lambda: publisher.get_live_shard_ids() == ids,
        what=f"{sorted(ids)} live",
        sleep=gevent.sleep,
    )


def status(discovery: Discovery) -> SourceStatus:
    return next(one for one in discovery.source_statuses() if one.name == "one")


def test_listed_shards_and_those_of_sources_are_divided() -> None:
    publisher, source = ShardPublisher(), ScriptedSource("one", *IDS[10:])
    entries = [SourceEntry(source)]
    shards = [spec(one) for one in IDS[:10]]
    with Discovery(publisher, entries, shards=shards, slice_spec=ONE_OF_THREE) as discovery:
        assert publisher.get_live_shard_ids() == of(ONE_OF_THREE, *IDS[:10])
        wait_live(publisher, of(ONE_OF_THREE))
        assert 0 < status(discovery).shards == len(of(ONE_OF_THREE, *IDS[10:])) < 20
        more = [f"t{number}" for number in range(10)]
        discovery.configure(entries, shards=[spec(one) for one in more])
        wait_live(publisher, of(ONE_OF_THREE, *IDS[10:], *more))


def test_all_slices_together_have_each_shard_as_often_as_there_are_copies() -> None:
    lives: list[set[str]] = []
    for number in range(3):
        publisher, one = ShardPublisher(), SliceSpec(number, 3, 2)
        with Discovery(publisher, shards=map(spec, IDS), slice_spec=one):
            lives.append(publisher.get_live_shard_ids())
    assert [sum(one in live for live in lives) for one in IDS] == [2] * len(IDS)


def test_the_guard_judges_only_what_is_polled_here() -> None:
    """Shards of other slices are no witnesses that a source still works, and none are missed."""
    publisher, source = ShardPublisher(), ScriptedSource("one", *IDS)
    guard = Guard(misses=1, hold=0.0, max_removed=0.5, release=1000.0)
    mine, others = of(ONE_OF_THREE), set(IDS) - of(ONE_OF_THREE)
    with discovery_of(publisher, ONE_OF_THREE, source, guard=guard) as discovery:
        wait_live(publisher, mine)
        for shard in publisher.get_live_shards():
            shard.state = ShardState.UP
        source.answers(*mine)  # all others are gone
        assert status(discovery).missing == 0
        source.answers(*others)  # all of this slice are gone
        assert (status(discovery).missing, status(discovery).held) == (len(mine), len(mine))
        assert publisher.get_live_shard_ids() == mine


def test_a_shard_whose_label_moves_it_to_another_slice_is_removed_like_a_missing_one() -> None:
    publisher, source = ShardPublisher(), ScriptedSource("one")
    source.then = answer("a", "b", cluster=cluster(mine=True))
    guard = Guard(misses=1, hold=0.0, max_removed=0.5, release=1000.0)
    with discovery_of(publisher, BY_CLUSTER, source, guard=guard) as discovery:
        wait_live(publisher, {"a", "b"})
        for shard in publisher.get_live_shards():
            shard.state = ShardState.UP
        source.answers("a", "b", cluster=cluster(mine=False))
        assert (status(discovery).missing, status(discovery).held) == (2, 2)
        assert publisher.get_shard("a").labels == {"cluster": cluster(mine=True)}
        discovery.accept_source("one")
        wait_live(publisher, set())
        source.answers("b", cluster=cluster(mine=True))
        wait_live(publisher, {"b"})


def test_a_watcher_of_a_program_can_have_a_slice() -> None:
    publisher = ShardPublisher()
    with Own(publisher, interval=0.01, slice_spec=ONE_OF_THREE) as watcher:
        watcher.lists(dict.fromkeys(IDS, URL))
        assert set(watcher.shards) == of(ONE_OF_THREE)
        watcher.lists(dict.fromkeys(IDS[:20], URL))
        assert set(watcher.shards) == of(ONE_OF_THREE)  # none was polled, so the guard waits
        assert status_of_own(watcher).missing == len(of(ONE_OF_THREE) - set(IDS[:20]))


def status_of_own(watcher: Own) -> SourceStatus:
    (one,) = watcher.source_statuses()
    return one


def run_until_stored(path: Path, slice_spec: SliceSpec | None, ids: set[str]) -> None:
    source, publisher = ScriptedSource("one", *IDS), ShardPublisher()
    with discovery_of(publisher, slice_spec, source, stored=path):
        wait_live(publisher, ids)
        source.wait()


@pytest.mark.parametrize(
    ("before", "after", "is_complete"),
    [
        (ONE_OF_THREE, ONE_OF_THREE, True),
        (None, ONE_OF_THREE, True),
        (ONE_OF_THREE, ONE_OF_FOUR, False),
        (ONE_OF_FOUR, ONE_OF_THREE, False),
        (ONE_OF_THREE, None, False),
    ],
)
def test_a_stored_answer_of_another_slice_stands_in_only_for_what_is_in_both(
    tmp_path: Path, before: SliceSpec | None, after: SliceSpec | None, is_complete: bool
) -> None:
    path = tmp_path / "state"
    stored = set(IDS) if before is None else of(before)
    wanted = set(IDS) if after is None else of(after)
    run_until_stored(path, before, stored)
    away, publisher = ScriptedSource("one"), ShardPublisher()
    away.then = SourceError("refused")
    with discovery_of(publisher, after, away, stored=path) as discovery:
        wait_live(publisher, stored & wanted)
        away.wait()
        # /readyz waits for a source whose shards are not all known.
        assert list(discovery.waiting_sources()) == ([] if is_complete else ["one"])
        away.answers(*IDS)
        wait_live(publisher, wanted)
        assert list(discovery.waiting_sources()) == []
    kept = StoredAnswers(path).load("one", lambda: None)
    assert kept is not None
    assert set(kept.targets) == wanted
    assert kept.slice == after


@pytest.mark.parametrize(
    "rest",
    [
        [[]],
        [[1, 3, 2]],
        [[1, 3, 2, "id", 1]],
        [[3, 3, 2, "id"]],
        [["1", 3, 2, "id"]],
        [[1, 3, 2, 4]],
        [None],
        [7],
        [[1, 3, 2, "id"], 1],
    ],
)
def test_a_stored_slice_that_cannot_be_is_refused(rest: list[object]) -> None:
    content = msgpack.packb(["zinfo answer", 1, "one", 0, *rest])
    with pytest.raises(CorruptAnswerError):
        decode(content + digest([content]), "one", lambda: None)


def built(rules: TargetRules, *candidates: tuple[str, Mapping[str, str]]) -> dict[str, Target]:
    builder = AnswerBuilder(rules)
    for host, labels in candidates:
        builder.add(Candidate(host, 6379, labels=labels))
    answer = builder.answer()
    assert not answer.skipped
    return dict(answer.targets)


def test_sources_of_the_configuration_omit_other_slices_when_they_read() -> None:
    rules = TargetRules(source="one", slice=BY_CLUSTER)
    mine, other = {"cluster": cluster(mine=True)}, {"cluster": cluster(mine=False)}
    assert set(built(rules, ("a", mine), ("b", other))) == {"a:6379"}
    # Each daemon uses the first of two with the same id.
    assert built(rules, ("a", other), ("a", mine)) == {}
    by_id = TargetRules(source="one", id_template="{host}", slice=ONE_OF_THREE)
    assert set(built(by_id, *((one, {}) for one in IDS))) == of(ONE_OF_THREE)
    by_source = TargetRules(source="one", slice=SliceSpec(0, 3, by="source"))
    assert len(built(by_source, ("a", {}), ("b", {}), ("c", {}))) in (0, 3)
