"""Nothing of any stored text is lost, wrong, invented or there twice, whichever way it is read."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.examples import examples
from tests.fidelity import differences
from tests.fidelity.expected_metrics import expected_samples
from tests.fidelity.exposition import Series, series
from tests.fidelity.mutations import count, mutate
from tests.fidelity.reader import Reading, read
from tests.fidelity.values import Value
from tests.fidelity.world import Entry, Watched, watched
from tests.info_texts import TEXTS
from tests.metrics.texts import Samples
from zinfo.native.loader import native

SOME_FIELDS = ("redis_version", "role", "used_memory", "slave_repl_offset", "master_host", "db0")
"""Fields to ask for by name, some of which are repeated or maps."""


@pytest.fixture(scope="module", params=["native", "python"])
def world(request: pytest.FixtureRequest) -> Iterator[Watched]:
    """A daemon with the native part and one without, and a shard for each stored text."""
    pure = request.param == "python"
    if native is None and not pure:
        pytest.skip("no native part: no compiler when zinfo was installed, or ZINFO_PURE_PYTHON")
    with watched(TEXTS, pure=pure) as found:
        found.poll(TEXTS)  # the native part encodes a reply whose layout it has seen before
        yield found


@pytest.fixture
def stored(world: Watched) -> Watched:
    """The same, polled when each server answered with its stored text."""
    if world.texts != TEXTS:
        world.poll(TEXTS)
    return world


def readings(world: Watched) -> dict[str, Reading]:
    """Return what the plain reader reads of each text."""
    return {name: read(raw) for name, raw in world.texts.items()}


def fields_of(entries: Mapping[str, Entry]) -> dict[str, dict[str, Value]]:
    return {name: entry.fields for name, entry in entries.items()}


def of_queries(world: Watched) -> Iterator[str]:
    """Yield the differences of everything that gives fields."""
    wanted = {name: reading.fields() for name, reading in readings(world).items()}
    yield from differences.of_shards("get", fields_of(world.queried()), wanted)
    yield from differences.of_shards("HTTP", fields_of(world.fetched()), wanted)
    yield from differences.of_shards("Mirror", world.mirrored(), wanted)
    few = {
        name: {one: fields[one] for one in SOME_FIELDS if one in fields}
        for name, fields in wanted.items()
    }
    found = fields_of(world.queried(keys=SOME_FIELDS))
    yield from differences.of_shards("get of fields", found, few)


def of_deltas(world: Watched, before: Mapping[str, Reading]) -> Iterator[str]:
    """Yield the differences of the newest deltas, which lead from the texts before to those now."""
    for name, deltas in world.deltas.items():
        old, new = before[name], read(world.texts[name])
        made: Mapping[str, Value] = old.fields()
        for delta in deltas:
            kept = {key: made[key] for key in made if key not in delta.unset}
            made = kept | delta.set
        for one in differences.of_fields(made, new.fields()):
            yield f"delta: {name}: {one}"
        lines, now = old.rows(), new.rows()
        for key in {key for delta in deltas for key in delta.set}:
            if lines.get(key) == now.get(key):
                yield f"delta: {name}: invented {key}, which did not change"
        for key in {key for delta in deltas for key in delta.unset}:
            if key not in lines:
                yield f"delta: {name}: invented {key}, which was not there"


def of_metrics(world: Watched) -> Iterator[str]:
    """Yield the differences of both kinds of scrapes."""
    whole = series(world.metrics())
    yield from twice("/metrics", whole)
    by_shard: dict[str, Samples] = {name: {} for name in world.texts}
    for one in filter(is_of_info, whole):
        labels = dict(one.labels)
        by_shard[labels.pop("instance")][one.name, frozenset(labels.items())] = one.value
    times = {name: entry.meta["time"] for name, entry in world.queried(keys=["role"]).items()}
    for name, reading in readings(world).items():
        wanted = expected_samples(reading, times[name])
        yield from differences.of_samples(f"/metrics: {name}", by_shard[name], wanted)
        alone = series(world.scrape(name))
        yield from twice(f"/scrape: {name}", alone)
        found = {(one.name, one.labels): one.value for one in filter(is_of_info, alone)}
        yield from differences.of_samples(f"/scrape: {name}", found, wanted)


def is_of_info(one: Series) -> bool:
    """Whether a sample comes from INFO, not from zinfo's knowledge of the shard."""
    return not one.name.startswith("zinfo_") and one.name != "redis_up"


def twice(path: str, found: list[Series]) -> Iterator[str]:
    """Yield the series that are there more than once."""
    for (name, labels), times in Counter((one.name, one.labels) for one in found).items():
        if times > 1:
            yield f"{path}: twice {name}{dict(labels)}"


def others() -> dict[str, bytes]:
    """Return for each text another one of the same server, or of the same kind."""
    by_server: dict[str, list[str]] = {}
    for name in TEXTS:
        server = (
            "handmade" if name.startswith("handmade") else re.sub(r"-[a-z]+(-[0-9])?$", "", name)
        )
        by_server.setdefault(server, []).append(name)
    found: dict[str, bytes] = {}
    for names in by_server.values():
        after = names[1:] + names[:1]
        found |= {name: TEXTS[other] for name, other in zip(names, after, strict=True)}
    return found


def test_every_path_gives_every_field_with_its_value(stored: Watched) -> None:
    printed = fields_of(stored.printed())
    wanted = {name: reading.fields() for name, reading in readings(stored).items()}
    differences.assert_none(
        chain(of_queries(stored), differences.of_shards("zinfo get", printed, wanted))
    )


def test_each_section_gives_its_own_fields_with_their_values_there(stored: Watched) -> None:
    found = readings(stored)
    titles = {title for reading in found.values() for title in reading.titles}
    assert len(titles) > 40

    def problems() -> Iterator[str]:
        for title in sorted(titles):
            wanted = {name: reading.fields(title) for name, reading in found.items()}
            queried = fields_of(stored.queried(sections=[title]))
            yield from differences.of_shards(f"get {title}", queried, wanted)
            fetched = fields_of(stored.fetched(sections=title))
            yield from differences.of_shards(f"HTTP {title}", fetched, wanted)

    differences.assert_none(problems())


def test_each_sample_is_a_number_of_the_text_and_is_there_once(stored: Watched) -> None:
    differences.assert_none(of_metrics(stored))


def test_lines_that_cannot_be_read_are_counted(stored: Watched) -> None:
    count = sum(len(reading.bad) for reading in readings(stored).values())
    assert count > 5
    assert stored.stats()["bad_lines"] == count
    assert [one.value for one in series(stored.metrics()) if one.name == "zinfo_bad_lines"] == [
        count
    ]


def test_prometheus_library_reads_the_samples_that_the_lines_have(stored: Watched) -> None:
    for name in filter(re.compile("handmade|.*sentinel").match, TEXTS):
        text = stored.scrape(name)
        theirs = Counter(
            (sample.name.removesuffix("_total"), frozenset(sample.labels.items()))
            for metric in text_string_to_metric_families(text)
            for sample in metric.samples
        )
        # The library adds `_total` to the name of every counter.
        ours = Counter((one.name.removesuffix("_total"), one.labels) for one in series(text))
        assert theirs == ours, name


def test_deltas_lead_from_each_text_to_another_and_to_one_with_other_numbers(
    stored: Watched,
) -> None:
    for texts in (others(), TEXTS, {name: count(raw) for name, raw in TEXTS.items()}):
        before = readings(stored)
        stored.poll(texts)
        differences.assert_none(chain(of_deltas(stored, before), of_queries(stored)))


# Without shrinking: each example polls all shards, and its failure names shard and field.
@given(st.integers(0, 2**32))
@settings(max_examples=examples(6), derandomize=True, phases=[Phase.explicit, Phase.generate])
def test_the_same_holds_for_texts_that_were_changed(world: Watched, seed: int) -> None:
    rng = random.Random(seed)
    before = readings(world)
    world.poll({name: mutate(raw, rng) for name, raw in TEXTS.items()})
    differences.assert_none(chain(of_deltas(world, before), of_queries(world), of_metrics(world)))
