"""`sources` and `accept_source`: what each client sees of the sources, and who may change them."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.source_states import STATUSES, FakeSources, Queries, shard
from zinfo.errors import BadRequestError
from zinfo.query.source_operations import describe_source
from zinfo.security.rights import Rights
from zinfo.shards.source_status import OK, WAITING, SourceStatus


def test_sources_are_listed_in_the_order_of_the_configuration() -> None:
    found = Queries(FakeSources()).ask("sources")
    assert [source["name"] for source in found] == ["static", "cmdb", "orders", "pods"]
    assert found[1] == {
        "name": "cmdb",
        "type": "http",
        "state": "failed",
        "shards": 4812,
        "owned": 4800,
        "missing": 0,
        "held": 0,
        "skipped": {"no credentials for 10.99.1.4": 2, "bad port": 1},
        "notes": [],
        "error": "HTTP status 503",
        "failures": 12,
        "last_success": STATUSES[1].last_success,
        "age": 125.0,
        "last_duration": 0.25,
        "reads": 40,
        "failed_reads": 12,
        "added": 4812,
        "removed": 0,
    }
    assert found[2]["notes"] == ["seed b: knows only itself, no vote"]
    assert (found[3]["state"], found[3]["last_success"], found[3]["age"]) == ("waiting", None, None)


def test_an_age_is_not_negative_after_the_clock_was_set_back() -> None:
    assert describe_source(SourceStatus("a", "file", OK, last_success=100.0), 90.0)["age"] == 0


def test_sources_are_paged() -> None:
    queries = Queries(FakeSources())
    (first,) = queries.ask("sources", limit=1)
    assert first["name"] == "static"
    (second,) = queries.ask("sources", limit=1, cursor="1")
    assert second["name"] == "cmdb"
    with pytest.raises(BadRequestError, match="cursor"):
        queries.ask("sources", cursor="x")
    with pytest.raises(BadRequestError, match="unknown argument: colour"):
        queries.ask("sources", colour="red")


def test_a_client_with_some_shards_sees_their_sources_and_nothing_of_other_shards() -> None:
    queries = Queries(
        FakeSources(),
        shard("cache-1", {"source": "cmdb"}),
        shard("cache-2", {"source": "cmdb"}),
        shard("db-1", {"source": "orders"}),
        shard("cache-3"),
        shard("cache-4", {"source": "no longer configured"}),
    )
    (found,) = queries.ask("sources", Rights("x", shards=("cache-",)))
    known = {name: value for name, value in found.items() if value is not None}
    assert known == {
        "name": "cmdb",
        "type": "http",
        "state": "failed",
        "shards": 2,
        "last_success": STATUSES[1].last_success,
        "age": 125.0,
    }
    assert found.keys() == queries.ask("sources")[0].keys()
    assert queries.ask("sources", Rights("x", shards=())) == []


def test_an_answer_is_accepted_by_name(caplog: pytest.LogCaptureFixture) -> None:
    sources = FakeSources()
    queries = Queries(sources)
    with caplog.at_level(logging.INFO):
        assert queries.ask("accept_source", name="orders") == 7
    assert sources.accepted == ["orders"]
    assert "source orders: client anonymous accepted its last answer" in caplog.text
    assert queries.ask("accept_source", name="orders") == 0


@pytest.mark.parametrize(
    ("args", "problem"),
    [
        ({}, "name is missing"),
        ({"name": 5}, "name must be text"),
        ({"name": "order"}, "no source has the name 'order'; did you mean 'orders'?"),
        ({"name": "x" * 5000}, "known are: static, cmdb, orders, pods"),
        ({"name": "orders", "force": True}, "unknown argument: force"),
    ],
)
def test_what_cannot_be_accepted_has_an_error(args: dict[str, Any], problem: str) -> None:
    sources = FakeSources()
    with pytest.raises(BadRequestError) as caught:
        Queries(sources).ask("accept_source", **args)
    assert problem in str(caught.value)
    assert len(str(caught.value)) < 300
    assert not sources.accepted


def test_without_sources_nothing_is_listed_or_accepted() -> None:
    queries = Queries(FakeSources(()))
    assert queries.ask("sources") == []
    with pytest.raises(BadRequestError, match="there are no sources"):
        queries.ask("accept_source", name="orders")


def test_stats_summarise_the_sources() -> None:
    assert Queries(FakeSources()).ask("stats")["sources"] == {
        "number": 4,
        "waiting": 1,
        "failed": 1,
        "missing": 7,
        "held": 7,
    }


def test_hello_has_the_number_of_sources_that_have_not_been_read() -> None:
    waiting = [status for status in FakeSources().statuses if status.state == WAITING]
    assert Queries(FakeSources()).ask("hello")["waiting"] == len(waiting) > 0
    assert Queries(FakeSources(statuses=[])).ask("hello")["waiting"] == 0


def test_hello_names_the_operations() -> None:
    assert Queries(FakeSources()).ask("hello")["slice"] is None
    assert Queries(FakeSources()).ask("stats")["slice"] is None
    assert {"sources", "accept_source"} <= set(Queries(FakeSources()).ask("hello")["ops"])


@pytest.mark.parametrize(
    ("rights", "allowed"),
    [
        (Rights("unlimited"), True),
        (Rights("some operations", operations=frozenset({"sources", "stats"})), False),
        (Rights("by name", operations=frozenset({"accept_source"})), True),
        (Rights("hidden", hidden_fields=("a*",)), False),
        (
            Rights(
                "hidden, by name", operations=frozenset({"accept_source"}), hidden_fields=("a",)
            ),
            True,
        ),
        (Rights("some shards", shards=("cache-",)), False),
        (Rights("no shards", shards=()), False),
        (
            Rights("shards, by name", shards=("cache-",), operations=frozenset({"accept_source"})),
            False,
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Rights) else "",
)
def test_only_a_client_with_the_right_by_name_and_all_shards_changes_sources(
    rights: Rights, allowed: bool
) -> None:
    assert rights.can_call("accept_source") is allowed
