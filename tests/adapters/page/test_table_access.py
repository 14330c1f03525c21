"""The table of a real daemon: what clients with different rights receive."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.http.requests import Message, fetch, stream
from tests.adapters.page.readings import Page
from tests.daemons import RunningDaemon
from tests.servers import RealServer
from tests.waiting import wait_until

TOKENS = {
    name: f"{name}-0123456789abcdef" for name in ("admin", "cache", "plain", "blind", "no-table")
}
CLIENTS = """
[clients.admin]
[clients.cache]
shards = ["cache-"]
operations = ["get_infos", "shards", "events"]
hidden_fields = ["used_memory*", "redis_version", "role"]
[clients.plain]
operations = ["get_infos"]
[clients.blind]
operations = ["shards", "events"]
"""
TABLE = "api/v1/table?keys=used_memory&keys=maxmemory&keys=maxmemory_policy&keys=db0"


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name]}"}


@pytest.fixture(scope="module")
def server() -> Iterator[RealServer]:
    with RealServer() as server:
        server.client().set("a", 1)
        yield server


@pytest.fixture(scope="module")
def daemon(server: RealServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDaemon]:
    """Two shards by the names of one server, and one that is down."""
    tokens = tmp_path_factory.mktemp("tokens") / "tokens"
    write(tokens, TOKENS)
    urls = {"cache-1": server.url, "db-1": server.url, "db-2": "redis://127.0.0.1:1"}
    shards = "".join(
        f'[[shards]]\nid = "{one}"\nurl = "{url}"\nlabels = {{ site = "{one[:2]}" }}\n'
        for one, url in urls.items()
    )
    text = f'{shards}\n[http]\ntoken_file = "{tokens}"\n{CLIENTS}'
    with RunningDaemon(config_text=text, http=True) as running:
        running.wait_settled()
        yield running


def write(path: Path, tokens: Mapping[str, str]) -> None:
    path.write_text("".join(f"{name} {token}\n" for name, token in tokens.items()))
    path.chmod(0o600)


@contextlib.contextmanager
def table(
    daemon: RunningDaemon, name: str, more: str = ""
) -> Iterator[tuple[Page, Iterator[Message]]]:
    """Open the table; yields the page after its first message, and the next ones."""
    with stream(daemon.http, f"{TABLE}{more}", bearer(name)) as messages:
        page = Page()
        page.take(next(messages).data)
        yield page, messages


def test_the_table_has_facts_values_and_events(daemon: RunningDaemon, server: RealServer) -> None:
    with table(daemon, "admin") as (page, messages):
        assert (page.resets, page.head["fresh"], page.head["problem"]) == (1, True, "")
        shards = page.by_id()
        assert list(shards) == ["cache-1", "db-1", "db-2"]
        up, down = shards["db-1"], shards["db-2"]
        assert (up["state"], up["role"], up["labels"]) == ("up", "master", {"site": "db"})
        assert (up["maxmemory"], up["maxmemory_policy"]) == (0, "noeviction")
        assert up["db0"]["keys"] == 1
        assert up["time"] <= page.head["time"]
        assert up["since"] <= page.head["time"]
        assert (down["state"], down["reason"]) == ("down", "refused")
        assert "refused" in down["error"].lower()
        assert "time" not in down
        assert {event["type"] for event in page.events} >= {"added", "up", "down"}
        server.client().config_set("maxmemory", 7 << 20)
        while page.by_id()["db-1"]["maxmemory"] != 7 << 20:
            message = page.take(next(messages).data)
            assert "reset" not in message
        server.client().config_set("maxmemory", 0)


def test_labels_select_the_shards(daemon: RunningDaemon) -> None:
    with table(daemon, "admin", "&labels[site]=db") as (page, _):
        assert list(page.by_id()) == ["db-1", "db-2"]
        assert {event["shard"] for event in page.events} <= {"db-1", "db-2", ""}


def test_a_client_receives_only_what_it_may_see(daemon: RunningDaemon) -> None:
    with table(daemon, "cache") as (page, _):
        (shard,) = page.by_id().values()
        assert shard["id"] == "cache-1"
        assert (shard["role"], shard["version"]) == (None, None)
        assert "used_memory" not in shard
        assert shard["maxmemory_policy"] == "noeviction"
        assert {event["shard"] for event in page.events} == {"cache-1"}


def test_without_the_right_to_list_shards_there_are_states_and_values(
    daemon: RunningDaemon,
) -> None:
    with table(daemon, "plain") as (page, _):
        shard = page.by_id()["db-2"]
        assert (shard["state"], shard["error"], shard["labels"]) == ("down", "", {})
        assert (shard["since"], shard["interval"]) == (None, None)
        assert page.by_id()["db-1"]["used_memory"] > 0
        assert page.events == []


def test_the_table_needs_the_right_to_read_info(daemon: RunningDaemon) -> None:
    assert fetch(daemon.http, TABLE).status == 401
    assert fetch(daemon.http, TABLE, bearer("blind")).status == 403
    assert fetch(daemon.http, TABLE, bearer("no-table")).status == 403


@pytest.mark.parametrize(
    "query", ["kyes=a", "&".join(f"keys=f{n}" for n in range(65)), "labels=a", "keys=a&labels[b]="]
)
def test_a_wrong_argument_is_an_error(daemon: RunningDaemon, query: str) -> None:
    found = fetch(daemon.http, f"api/v1/table?{query}", bearer("no-table"))
    assert found.status == 403, "who may not read it learns nothing else"
    if not query.startswith("keys=a"):
        assert fetch(daemon.http, f"api/v1/table?{query}", bearer("admin")).status == 400


def test_the_definitions_say_what_the_client_may_call(daemon: RunningDaemon) -> None:
    assert fetch(daemon.http, "view.json").status == 401
    allowed = {name: definitions(daemon, name)["operations"] for name in ("admin", "cache")}
    assert {"get_infos", "stats", "sources"} <= set(allowed["admin"])
    assert {"get_infos", "shards", "events"} <= set(allowed["cache"])
    assert "stats" not in allowed["cache"]


def definitions(daemon: RunningDaemon, name: str) -> dict[str, Any]:
    found: dict[str, Any] = fetch(daemon.http, "view.json", bearer(name)).json
    return found


def test_the_stream_ends_when_the_token_is_taken_away(daemon: RunningDaemon) -> None:
    path = Path(daemon.config_path.read_text().split('token_file = "')[1].split('"')[0])
    with table(daemon, "plain") as (_, messages):
        write(path, {name: token for name, token in TOKENS.items() if name != "plain"})
        daemon.signal(signal.SIGHUP)
        assert all(message.kind == "table" for message in messages), "and then it ends"
    write(path, TOKENS)
    daemon.signal(signal.SIGHUP)
    wait_until(
        lambda: fetch(daemon.http, "view.json", bearer("plain")).status == 200,
        what="the token to be valid again",
    )
