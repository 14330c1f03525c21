"""`metrics.max_samples`: which samples of a shard are left out, and how they are counted."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.info_texts import TEXTS
from tests.metrics.texts import Samples, samples
from zinfo.health.stats import MAX_CUT_METRICS, HttpStats
from zinfo.info import parser
from zinfo.info.values import Value
from zinfo.metrics.names import Family, is_in_tables
from zinfo.metrics.samples import UP, Sample
from zinfo.metrics.scrape import Scrape
from zinfo.metrics.selection import Selection
from zinfo.metrics.shares import OTHER_FIELDS, shares_of

SERVER = parser.parse(TEXTS["valkey-8.1.8-primary-3"]).fields
ERRORS: dict[str, Value] = {f"errorstat_script_{number}": {"count": 1} for number in range(6000)}


def scraped(fields: dict[str, Value], most: int) -> tuple[Samples, Counter[str]]:
    """Return what is exposed of an INFO, and what is cut."""
    scrape = Scrape(Selection(max_samples=most))
    scrape.add([("instance", "a")], [Sample(UP, (), 1)], fields, 1000.0)
    return samples(b"".join(scrape.pieces()).decode()), scrape.cut


def metrics(found: Samples) -> Counter[str]:
    return Counter(name for name, _labels in found)


def test_errors_of_scripts_push_nothing_else_out() -> None:
    whole, _none = scraped(SERVER, 10_000)
    found, cut = scraped({**ERRORS, **SERVER}, 5000)
    assert len(found) == 5000
    assert {name for name, _labels in whole.keys() - found.keys()} <= {"redis_errors_total"}
    assert metrics(found)["redis_errors_total"] > 4000
    assert cut == {"redis_errors_total": len(whole) + 6000 - 5000}


def test_errors_of_the_server_are_kept_among_those_of_scripts() -> None:
    found, _cut = scraped({**ERRORS, "errorstat_WRONGTYPE": {"count": 3}}, 1000)
    error = frozenset({("instance", "a"), ("err", "WRONGTYPE")})
    assert found["redis_errors_total", error] == 3


def test_commands_errors_databases_and_unknown_fields_each_have_a_share() -> None:
    many: dict[str, Value] = {**ERRORS}
    for number in range(2000):
        many[f"cmdstat_{number}"] = {"calls": 1, "usec": 2}
        many[f"db{number}"] = {"keys": 1}
        many[f"unknown_{number}"] = 1
        many[f"slave{number}"] = {"ip": f"h{number}", "port": 1, "state": "online", "offset": 1}
    whole, _none = scraped(SERVER, 10_000)
    found, cut = scraped({**many, **SERVER}, 2000)
    assert len(found) == 2000
    named = metrics(found)
    bounded = {name for name, _labels in whole if is_in_tables(Family(name, "", ""))}
    assert len(bounded) > 100
    assert bounded <= set(named)
    for metric in ("redis_errors_total", "redis_commands_total", "redis_db_keys"):
        assert named[metric] > 50, metric
    assert sum(count for name, count in named.items() if name.startswith("redis_unknown_")) > 50
    assert cut["redis_errors_total"] > cut["redis_db_keys"] > 0
    assert cut[OTHER_FIELDS] > 0
    assert not [name for name in cut if name.startswith("redis_unknown")]


def test_the_same_samples_are_kept_if_the_reply_changes_its_order() -> None:
    fields = list({**ERRORS, **SERVER}.items())
    found, cut = scraped(dict(fields), 1500)
    random.Random(1).shuffle(fields)
    again, cut_again = scraped(dict(fields), 1500)
    assert found == again
    assert cut == cut_again


def test_the_samples_of_a_summary_are_kept_together() -> None:
    fields: dict[str, Value] = {}
    for number in range(100):
        fields[f"cmdstat_c{number:02}"] = {"calls": 1, "usec": 2}
        fields[f"latency_percentiles_usec_c{number:02}"] = {"p50": 1.0, "p99": 2.0}
    found, _cut = scraped(fields, 2 + 3 * 48)
    latency = "redis_latency_percentiles_usec"
    of_command: dict[str, set[str]] = {}
    for name, labels in found:
        if name.startswith(latency):
            of_command.setdefault(dict(labels)["cmd"], set()).add(name)
    assert 0 < len(of_command) < 100
    whole = {latency, f"{latency}_sum", f"{latency}_count"}
    assert sum(names != whole for names in of_command.values()) <= 1  # the last one


def test_the_state_and_known_fields_come_first_under_a_small_limit() -> None:
    found, cut = scraped({"unknown": 1, "used_memory": 2, **ERRORS}, 2)
    assert {name for name, _labels in found} == {"redis_up", "redis_memory_used_bytes"}
    assert cut[OTHER_FIELDS] == 1
    found, _cut = scraped({"used_memory": 2}, 1)
    assert {name for name, _labels in found} == {"redis_up"}


def test_nothing_is_cut_at_the_limit_itself() -> None:
    whole, _none = scraped(SERVER, 10_000)
    found, cut = scraped(SERVER, len(whole))
    assert found == whole
    assert not cut
    found, cut = scraped(SERVER, len(whole) - 1)
    assert len(found) == len(whole) - 1
    assert sum(cut.values()) == 1


SIZES = st.integers(0, 50)
ERRORS_TOTAL = "redis_errors_total"


@given(
    sizes=st.dictionaries(
        st.sampled_from(["redis_a", "redis_errors_total", "redis_db_keys"]), st.integers(0, 50)
    ),
    room=st.integers(0, 100),
)
@settings(max_examples=examples(100), deadline=None)
def test_shares_use_the_whole_room(sizes: dict[str, int], room: int) -> None:
    shares = shares_of(sizes, room)
    assert sum(shares.values()) == min(room, sum(sizes.values()))
    equal = room // max(len(sizes), 1)
    for metric, size in sizes.items():
        assert min(size, equal) <= shares[metric] <= size


def test_what_is_cut_is_counted_by_metric_and_no_server_adds_counters_without_end() -> None:
    stats = HttpStats()
    stats.count_cut({"redis_errors_total": 3})
    stats.count_cut({f"redis_db_{number}": 1 for number in range(2 * MAX_CUT_METRICS)})
    stats.count_cut({"redis_errors_total": 4})
    assert stats.cut_by["redis_errors_total"] == 7
    assert stats.cut == 7 + 2 * MAX_CUT_METRICS
    assert len(stats.cut_by) == MAX_CUT_METRICS + 1
    assert stats.cut_by["other"] == MAX_CUT_METRICS + 1


def test_errors_are_cut_first_then_commands_percentiles_and_databases() -> None:
    fields: dict[str, Value] = {"unknown_field": 1}
    for number in range(100):
        fields[f"errorstat_E{number}"] = {"count": 1}
        fields[f"cmdstat_c{number}"] = {"calls": 1}
        fields[f"latency_percentiles_usec_p{number}"] = {"p50": 1.0}
        fields[f"db{number}"] = {"keys": 1}
    order = ("errors_total", "commands_total", "latency_percentiles_usec", "db_keys")
    whole, _none = scraped(fields, 1000)
    for place, name in enumerate(order):
        # Each of those before is cut down to its share.
        _found, cut = scraped(fields, len(whole) - (10, 60, 120, 230)[place])
        assert cut[f"redis_{name}"] > 0
        assert not set(cut) & {f"redis_{later}" for later in order[place + 1 :]}
