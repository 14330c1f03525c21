"""`zinfo top --web` of one daemon: the same paths as the daemon's page, over its query endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import pytest

from tests.adapters.http.requests import fetch, stream
from tests.adapters.page.readings import Page
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.top.web.conftest import running_web
from tests.waiting import wait_until

TABLE = "api/v1/table?keys=used_memory&keys=db0"


class Watched(NamedTuple):
    """A daemon with two shards, and the page of those of one site."""

    daemon: RunningDaemon
    server: RealServer
    all: str
    some: str


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    with ExitStack() as stack:
        server = stack.enter_context(RealServer())
        server.client().set("a", 1)
        text = "".join(
            f'[[shards]]\nid = "{one}"\nurl = "{server.url}"\nlabels = {{ site = "{one[:3]}" }}\n'
            for one in ("fra-1", "ams-1")
        )
        daemon = stack.enter_context(RunningDaemon(config_text=text))
        daemon.wait_polled(2)
        urls = [
            stack.enter_context(running_web(daemon, *options))
            for options in ((), ("--label", "site=fra"))
        ]
        yield Watched(daemon, server, *urls)


def opened(url: str) -> Page:
    """Return the page after its first message."""
    with stream(url, TABLE) as messages:
        page = Page()
        page.take(next(messages).data)
        return page


def requests(daemon: RunningDaemon) -> int:
    """Return the number of requests so far, without this one."""
    stats: Any = daemon.ask("stats").body
    return sum(stats["query"]["requests"].values())


def test_the_table_is_that_of_the_daemon(watched: Watched) -> None:
    page = opened(watched.all)
    assert (page.head["fresh"], page.head["daemons"], page.head["missing"]) == (True, "", [])
    assert list(page.by_id()) == ["ams-1", "fra-1"]
    shard = page.by_id()["fra-1"]
    entry: Any = watched.daemon.ask("shards", ids=["fra-1"]).body
    for name in ("state", "role", "version", "labels", "error"):
        assert shard[name] == entry[0][name]
    assert abs(shard["since"] - entry[0]["since"]) < 2
    assert shard["db0"]["keys"] == 1
    assert shard["used_memory"] > 0
    assert "added" in {event["type"] for event in page.events}


def test_only_shards_with_the_labels_are_served(watched: Watched) -> None:
    assert list(opened(watched.some).by_id()) == ["fra-1"]
    for path in ("shards", "infos?keys=role"):
        (entry,) = fetch(watched.some, f"api/v1/{path}").json["data"]
        assert entry.get("id") or entry["meta"]["shard_identifier"] == "fra-1"
    events = fetch(watched.some, "api/v1/events").json["data"]
    assert {event["shard"] for event in events} == {"fra-1"}


def test_the_other_requests_are_passed_on(watched: Watched) -> None:
    found = fetch(watched.all, "api/v1/infos?shard_ids=fra-1&keys=role").json["data"]
    assert found[0]["role"] == "master"
    page = fetch(watched.all, "api/v1/shards?limit=1").json
    assert [one["id"] for one in page["data"]] == ["ams-1"]
    rest = fetch(watched.all, f"api/v1/shards?cursor={page['cursor']}").json
    assert [one["id"] for one in rest["data"]] == ["fra-1"]
    events = fetch(watched.all, "api/v1/events?ids=fra-1").json
    assert events["newest"] >= len(events["data"]) > 0
    unknown = fetch(watched.all, "api/v1/infos?shard_ids=made-up")
    assert (unknown.status, unknown.json["error"]["code"]) == (404, "unknown_shard")
    assert fetch(watched.all, "api/v1/infos?nothing=1").status == 400
    for path in ("api/v1/stats", "metrics", "api/v1/sources/accept?name=a"):
        assert fetch(watched.all, path).status == 404
    operations = fetch(watched.all, "view.json").json["operations"]
    assert {"events", "get_infos", "shards"} <= set(operations)
    assert fetch(watched.all, "").headers["content-type"].startswith("text/html")


def test_the_history_is_that_of_the_daemon(watched: Watched) -> None:
    path = "api/v1/history?shard_ids=fra-1&fields=memory"

    def has_values() -> bool:
        found = fetch(watched.all, path).json["data"]
        assert found["ids"] == ["fra-1"]
        (values,) = found["fields"]["memory"]
        return values is not None and any(values)

    wait_until(has_values, 30, "the first value")
    assert fetch(watched.some, "api/v1/history").json["data"]["ids"] == ["fra-1"]


def test_without_a_history_the_reply_is_empty(watched: Watched) -> None:
    text = f'[[shards]]\nid = "a"\nurl = "{watched.server.url}"\n[history]\nenabled = false\n'
    with RunningDaemon(config_text=text) as daemon, running_web(daemon) as url:
        found = fetch(url, "api/v1/history?shard_ids=a").json["data"]
        assert (found["ids"], found["points"]) == ([], 0)
        assert "history" not in fetch(url, "view.json").json["operations"]


def test_nothing_is_requested_while_no_page_is_open(watched: Watched) -> None:
    opened(watched.all)
    before, same = requests(watched.daemon), 0

    def is_quiet() -> bool:
        nonlocal before, same
        now = requests(watched.daemon)
        same = same + 1 if now == before + 1 else 0  # `stats` itself
        before = now
        return same >= 20

    wait_until(is_quiet, 60, "the daemon to have no other request than those of this test")


def test_after_a_restart_the_page_starts_from_nothing(watched: Watched) -> None:
    with stream(watched.all, TABLE) as messages:
        page = Page()
        page.take(next(messages).data)
        epoch = page.head["epoch"]
        watched.daemon.kill()
        while page.head["fresh"]:
            page.take(next(messages).data)
        assert page.head["problem"]
        assert len(page.by_id()) == 2
        assert fetch(watched.all, "api/v1/shards").status == 503
        watched.daemon.start()
        while page.resets < 2:
            page.take(next(messages).data)
        assert page.head["epoch"] != epoch
        assert list(page.by_id()) == ["ams-1", "fra-1"]
