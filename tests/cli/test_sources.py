"""`zinfo sources`: each state as people see it, and the answer of a source that is accepted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.cli.running import invoke
from tests.source_states import NOW, STATUSES
from zinfo.client import Client
from zinfo.errors import BadRequestError, UnknownOpError
from zinfo.query.source_operations import describe_source
from zinfo.shards.source_status import SourceStatus


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the daemon replies to `sources`; a test may change it."""
    entries = [describe_source(status, NOW) for status in STATUSES]
    monkeypatch.setattr(Client, "sources", lambda _client: entries)
    return entries


def test_the_table_shows_each_state_and_what_to_do(listed: list[dict[str, Any]]) -> None:
    done = invoke("sources")
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "NAME    TYPE     STATE    SHARDS  MISSING  HELD  SKIPPED  LAST READ",
        "static  static   ok       2       0        0     0        90.0 s",
        "cmdb    http     failed   4812    0        0     3        2 min 5 s",
        "orders  cluster  ok       12      7        7     0        1.0 s",
        "pods    dns      waiting  0       0        0     0        -",
        "",
        "cmdb: failed (12 times in a row): HTTP status 503",
        "cmdb: skipped: no credentials for 10.99.1.4 (2), bad port (1)",
        "orders: 7 shards that reply would go at once, and stay for now; to remove them:",
        "  zinfo sources accept orders",
        "orders: seed b: knows only itself, no vote",
        "pods: failed: timeout",
    ]
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_without_remarks_the_table_is_all(listed: list[dict[str, Any]]) -> None:
    del listed[1:]
    assert len(invoke("sources").stdout.splitlines()) == 2


def test_what_this_client_may_not_see_is_a_dash(listed: list[dict[str, Any]]) -> None:
    entry = dict.fromkeys(listed[1]) | {"name": "cmdb", "type": "http", "state": "ok", "shards": 2}
    listed[:] = [entry]
    (_, row) = invoke("sources").stdout.splitlines()
    assert row.split() == ["cmdb", "http", "ok", "2", "-", "-", "-", "-"]


def test_texts_of_a_source_cannot_control_the_terminal(listed: list[dict[str, Any]]) -> None:
    hostile = "\x1b]0;title\x07\n\N{RIGHT-TO-LEFT OVERRIDE}"
    status = SourceStatus(
        *("a", f"file{hostile}", "ok"), error=hostile, skipped={hostile: 1}, notes=(hostile,)
    )
    listed[:] = [describe_source(status, NOW)]
    done = invoke("sources")
    assert not {"\x1b", "\x07", "\N{RIGHT-TO-LEFT OVERRIDE}"} & set(done.stdout)
    assert len(done.stdout.splitlines()) == 6


def test_in_json_each_source_is_an_object(listed: list[dict[str, Any]]) -> None:
    done = invoke("sources", "--json")
    assert [json.loads(line) for line in done.stdout.splitlines()] == listed


def test_a_daemon_without_sources_is_reported(listed: list[dict[str, Any]]) -> None:
    listed.clear()
    done = invoke("sources")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "no sources" in done.stderr


def test_accept_says_how_many_shards_are_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "accept_source", lambda _client, name: len(name))
    assert invoke("sources", "accept", "orders").stdout == "orders: 6 shards removed\n"
    assert invoke("sources", "accept", "a").stdout == "a: 1 shard removed\n"
    done = invoke("sources", "accept", "orders", "--json")
    assert json.loads(done.stdout) == {"source": "orders", "removed": 6}


def test_accept_fails_if_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "accept_source", lambda _client, _name: 0)
    done = invoke("sources", "accept", "orders")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: nothing to accept: orders lists all of its shards\n"


def test_accept_fails_for_an_unknown_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_client: Client, name: str) -> int:
        raise BadRequestError(f"no source has the name {name!r}; did you mean 'orders'?")

    monkeypatch.setattr(Client, "accept_source", refuse)
    done = invoke("sources", "accept", "order")
    assert done.exit_code == 1
    assert done.stderr == "Error: no source has the name 'order'; did you mean 'orders'?\n"


@pytest.mark.parametrize("arguments", [("accept",), ("forget", "orders"), ("accept", "a", "b")])
def test_wrong_usage_is_explained(arguments: tuple[str, ...]) -> None:
    done = invoke("sources", *arguments)
    assert done.exit_code == 2
    assert "Usage: zinfo sources [OPTIONS] [accept NAME]" in done.stderr


@pytest.mark.parametrize("arguments", [(), ("accept", "orders")])
def test_a_daemon_of_an_older_version_is_named_as_the_reason(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    def refuse(*_: object) -> None:
        raise UnknownOpError("unknown operation 'sources'; known are: hello, ping")

    monkeypatch.setattr(Client, "sources", refuse)
    monkeypatch.setattr(Client, "accept_source", refuse)
    done = invoke("sources", *arguments)
    assert done.exit_code == 1
    assert "this daemon is of a version without sources of shards" in done.stderr
